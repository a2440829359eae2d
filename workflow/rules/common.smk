# What several stages share: the plan of the study, the digest of the code, resources, the report.

import csv
import sys
from pathlib import Path

from snakemake.exceptions import WorkflowError

WORKFLOW = Path(workflow.current_basedir).parent
SCRIPTS = WORKFLOW / "scripts"
sys.path.insert(0, str(SCRIPTS))

from histotransfer.core.errors import HistotransferError
from histotransfer.core.exclusions import Reason
from histotransfer.core.provenance import code_digest, files_digest
from histotransfer.study.batches import write_ledger
from histotransfer.study.catalogue import FIGURES, PAPER, SUMMARY, TABLES
from histotransfer.study.config import complete, sheet_files
from histotransfer.study.plan import StudyPlan

DEFAULTS = WORKFLOW / "defaults.yaml"

try:
    config.update(complete(config, DEFAULTS))
    # --lint and --list-rules plan nothing, so they need no data.
    PLAN = StudyPlan.from_config(
        config, WORKFLOW / "schemas", check_files=workflow.check_envvars
    )
except HistotransferError as error:
    raise WorkflowError(str(error))

# A GPU needs several threads that decode; on CPUs, single-threaded jobs use the cores best.
NETWORK_THREADS = 8 if PLAN.uses_gpu else 1
NETWORK_ENV = (
    "../../envs/network-gpu.yaml" if PLAN.uses_gpu else "../../envs/network.yaml"
)


def any_of(names):
    """Match one of these names, or nothing where there are none."""
    return "|".join(map(re.escape, names)) or "(?!)"


pathvars:
    results=PLAN.results,
    logs=f"{PLAN.results}/logs",
    benchmarks=f"{PLAN.results}/benchmarks",
    data=PLAN.data,


wildcard_constraints:
    # Datasets have files in the same folders, and are not slides.
    slide=rf"(?!(?:{any_of(config['datasets'])})\.\w+$)[A-Za-z0-9][A-Za-z0-9._-]*",
    dataset=any_of(config["datasets"]),
    extractor=any_of(PLAN.extractors),
    task=any_of(PLAN.tasks),
    batch=r"\d+",
    block=r"\d+",


def code(script):
    """Digest a script and everything it imports: a change of what it computes runs it again."""
    return code_digest(SCRIPTS / script, SCRIPTS)


def needs(mem_mb, minutes):
    """Ask for memory and time, more at each attempt."""
    return {
        "mem_mb": lambda wildcards, attempt: mem_mb * attempt,
        "runtime": lambda wildcards, attempt: minutes * attempt,
    }


def leaves(files):
    """List the paths in nested dicts and lists."""
    if isinstance(files, str):
        return [files]
    inner = files.values() if isinstance(files, dict) else files
    return [path for entry in inner for path in leaves(entry)]


def watched(place):
    """Mark a folder of the user's as ancient: what is in it is watched by a parameter.

    Its own time changes with files that nothing reads, and not with those deeper in it.
    """
    return ancient(place) if Path(place).is_dir() else place


def files_of_labels(wildcards):
    """Return what a task's labels are read from, by the name of the input."""
    return {
        name: (list(map(watched, files)) if name == "labels" else files)
        for name, files in PLAN.label_inputs(wildcards.task).items()
    }


def table(name):
    """Name a table of the results."""
    return f"<results>/tables/{name}.tsv"


def reported(path, item, caption):
    """Show a file in the report, in its category and with its caption."""
    return report(
        path,
        caption=f"../report/{caption}.rst",
        category=item.heading,
        labels={"result": item.title},
    )


def reported_table(name):
    """Show a table in the report."""
    return reported(table(name), TABLES[name], caption=f"{name}_table")


def check_labels_that_are_new():
    """Stop before the first job if labels cannot carry the study; say what they leave out."""
    try:
        from histotransfer.evaluation.start_checks import check_labels
    except ModuleNotFoundError:
        return  # Snakemake's own environment may lack pandas; then `read_labels` is the first to tell.
    # Tiles or labels of a pilot of few slides need no folds.
    drawn = {
        job.wildcards.task
        for job in workflow.dag.needrun_jobs()
        if job.rule.name == "draw_splits"
    }
    for task in [task for task in PLAN.unread_labels() if task in drawn]:
        labels, patients = PLAN.tasks[task].labels, sorted(set(PLAN.patients.values()))
        try:
            for said in check_labels(
                labels,
                patients,
                PLAN.splits,
                PLAN.covariates,
                PLAN.cohorts,
                PLAN.named_sites,
            ):
                print(f"WARNING: {task}: {said}.", file=sys.stderr)
        except HistotransferError as error:
            raise WorkflowError(str(error))


def say_which_slides_are_alike():
    """Warn of slides that seem to be copies of one."""
    for _, text in PLAN.warnings_of_copies():
        print(f"WARNING: {text}", file=sys.stderr)


def say_who_is_left_out():
    """Warn of extractors that have no features of a task's samples."""
    for text in PLAN.warnings_of_coverage():
        print(f"WARNING: {text}", file=sys.stderr)


def say_where_to_look():
    """Name the slides that were left out and the figures to look at first."""
    results = Path(PLAN.results)
    excluded = results / "tables/excluded_slides.tsv"
    if not excluded.exists():
        return
    with excluded.open(encoding="utf-8", newline="") as rows:
        for row in csv.DictReader(rows, delimiter="\t"):
            print(
                f"Excluded: slide {row['slide']} {Reason.of(row).sentence()}",
                file=sys.stderr,
            )
    print("Read the summary first, then look at these three figures:", file=sys.stderr)
    for name in (
        "summary.html",
        *(f"figures/{figure}.png" for figure in PLAN.first_figures),
    ):
        print(f"  {results / name}", file=sys.stderr)


localrules:
    all,
    tiles,
    qc,
    features,
    crossval,
    tables,
    figures,
