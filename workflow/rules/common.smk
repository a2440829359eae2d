# What several stages share: the plan of the study, the digest of the code, resources, the report.

import csv
import os
import sys
from collections import Counter
from pathlib import Path

from snakemake.exceptions import WorkflowError
from snakemake.logging import logger

WORKFLOW = Path(workflow.current_basedir).parent
SCRIPTS = WORKFLOW / "scripts"
sys.path.insert(0, str(SCRIPTS))

from histotransfer.core.errors import HistotransferError
from histotransfer.core.exclusions import Reason
from histotransfer.core.progress_line import ProgressLine, show_progress
from histotransfer.core.provenance import code_digest, files_digest
from histotransfer.study.alternatives import alternatives, asks_for_robustness
from histotransfer.study.batches import write_ledger
from histotransfer.study.catalogue import FIGURES, PAPER, SUMMARY, TABLES
from histotransfer.study.config import complete, sheet_files
from histotransfer.study.disk import check_room
from histotransfer.study.machine import memory_mb
from histotransfer.study.origins import in_words
from histotransfer.study.plan import StudyPlan

DEFAULTS = WORKFLOW / "defaults.yaml"

if storage := workflow.storage_settings.default_storage_provider:
    raise WorkflowError(
        f"--default-storage-provider {storage}: the study does not run through a storage plugin, since slides "
        "and batches of features are read where they lie. Put it on a file system that all nodes share, "
        "and leave the option out (docs/cluster.md)."
    )

# Snakemake tells a Snakefile only of --lint what it is asked for, by `check_envvars`.
ASKED = {word.partition("=")[0] for word in sys.argv[1:]}
REPORTS = bool(ASKED & {"--report", "--reporter"})
LISTS = {"-l", "--list", "--list-rules", "--lt", "--list-target-rules", "--summary"}
RUNS_NOTHING = REPORTS or "--unlock" in ASKED or bool(ASKED & LISTS)

try:
    ASKED_FOR_ROBUSTNESS = False
    if "plan" in config:  # that of an alternative (Snakefile)
        PLAN = config.pop("plan")
    else:
        config.update(complete(config, DEFAULTS))
        ASKED_FOR_ROBUSTNESS = asks_for_robustness(sys.argv[1:], config)
        # What runs nothing needs no data: they may be gone, or on another machine.
        PLAN = StudyPlan.from_config(
            config,
            WORKFLOW / "schemas",
            check_files=workflow.check_envvars and not RUNS_NOTHING,
            asked_for_robustness=ASKED_FOR_ROBUSTNESS,
        )
    # Plans of the study's alternatives by name, where they are asked for.
    ALTERNATIVES = {}
    if ASKED_FOR_ROBUSTNESS and not REPORTS:
        ALTERNATIVES |= alternatives(PLAN)
except HistotransferError as error:
    raise WorkflowError(str(error))

# Everything waits for the fine-tuned network, so what leads to it starts first, and then what it
# computes. Snakemake's own priority is 0.
FIRST, SECOND = 20, 15

# On this machine, jobs run side by side only as far as its memory goes, and one that asks for more
# than all of it runs alone. On a cluster (`--jobs`) the scheduler sees to that.
if (
    workflow.resource_settings.nodes is None
    and "mem_mb" not in workflow.global_resources
    and (memory := memory_mb())
):
    workflow.register_resource("mem_mb", memory)

# For --sdm apptainer: the image of this version, or one that was built from containers/.
IMAGE = "docker://ghcr.io/owner/histotransfer:0.1.0"


container: os.environ.get("HISTOTRANSFER_IMAGE", IMAGE)


# A process that drives a GPU holds CUDA's libraries and what is decoded ahead.
NETWORK_MB = 8000 if PLAN.uses_gpu else 4000
NETWORK_ENV = (
    "../../envs/network-gpu.yaml" if PLAN.uses_gpu else "../../envs/network.yaml"
)
TORCH_ENV = (
    "../../envs/network-torch-gpu.yaml"
    if PLAN.uses_gpu
    else "../../envs/network-torch.yaml"
)

WEIGHTS = (
    f"<resources>/xception_{'random' if PLAN.has_random_weights else 'imagenet'}.h5"
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
    """Ask for memory, which may depend on the wildcards, and for time, more at each attempt."""
    return {
        "mem_mb": lambda wildcards, attempt: attempt
        * (mem_mb(wildcards) if callable(mem_mb) else mem_mb),
        "runtime": lambda wildcards, attempt: minutes * attempt,
    }


def runs_here():
    """Whether the jobs share this machine, rather than each having cores of its own."""
    return workflow.local_exec and workflow.is_main_process


def tuning_threads(wildcards):
    """Return the threads of fine-tuning: eight, but here no more than half the cores.

    Snakemake never keeps cores free for a job, so one that needs several waits as long as there are
    others of a single core.
    """
    half = (workflow.resource_settings.cores or 1) // 2
    return max(1, min(8, half)) if runs_here() else 8


def packing_threads(wildcards):
    """Return the threads of packing: here, those that fine-tuning takes over when it is done."""
    is_for_tuning = runs_here() and wildcards.dataset == PLAN.trained_on
    return tuning_threads(wildcards) if is_for_tuning else 1


def extraction_threads(wildcards):
    """Return the threads of extraction: a GPU needs several that decode.

    On CPUs, single-threaded jobs use the cores best.
    """
    return tuning_threads(wildcards) if PLAN.uses_gpu else 1


def is_of_torch(wildcards):
    """Tell whether a job of an extractor, or of a group of them, is one of PyTorch.

    A network of PyTorch is a group of its own.
    """
    name = wildcards.get("extractor") or PLAN.groups[wildcards.group][0]
    return PLAN.extractors[name].is_torch


def network_env(wildcards):
    """Choose the environment of the library that runs an extractor."""
    return TORCH_ENV if is_of_torch(wildcards) else NETWORK_ENV


def extraction_mb(wildcards):
    """Return the memory of extraction: networks of PyTorch are up to fifty times as large."""
    return 16000 if is_of_torch(wildcards) else NETWORK_MB


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


def found(pattern):
    """Name an input among the results; an alternative finds there what it shares with its study."""
    place, _, ending = pattern.rpartition(".")
    names = place.split("/")

    def found_for(wildcards):
        known = dict(wildcards.items())
        return PLAN.at(*(name.format(**known) for name in names)) + f".{ending}"

    return found_for


def files_of_labels(wildcards):
    """Return what a task's labels are read from, by the name of the input."""
    return {
        name: (list(map(watched, files)) if name == "labels" else files)
        for name, files in PLAN.label_inputs(wildcards.task).items()
    }


def features_of_parts(wildcards):
    """Name the features of a task's samples: of an extractor, or of those side by side in it."""
    parts = PLAN.parts_of(wildcards.extractor)
    return [PLAN.features_of(wildcards.task, part) for part in parts]


def manifests_of_parts(wildcards):
    """Name the files that say that these features are made."""
    parts = PLAN.parts_of(wildcards.extractor)
    return [PLAN.manifest_of(wildcards.task, part) for part in parts]


def table(name):
    """Name a table of the results."""
    return f"<results>/tables/{name}.tsv"


def made(*files):
    """Keep of the files that are asked for those that exist, if they are only to be reported."""
    return [path for path in leaves(files) if not REPORTS or is_made(path)]


def is_made(path):
    """Tell whether a result exists."""
    return Path(path.replace("<results>", PLAN.results)).exists()


def reported(path, item, caption):
    """Show a file in the report, in its category and with its caption.

    Snakemake refuses to report a study of which a marked file is not made yet.
    """
    if PLAN.main or (REPORTS and not is_made(path)):
        return path
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


def check_the_disk():
    """Stop before the first job if what it is known to write does not fit; say how much that is."""
    jobs = {}
    for job in workflow.dag.needrun_jobs():
        jobs.setdefault(job.rule.name, []).append(job)
    needs = []
    plans = {f"robustness_{name}_": plan for name, plan in ALTERNATIVES.items()}
    for prefix, plan in {"": PLAN, **plans}.items():
        slides, fetched = (
            [job.wildcards.slide for job in jobs.get(f"{prefix}{rule}", [])]
            for rule in ("extract_patches", "fetch_slide")
        )
        tunes = len(jobs.get(f"{prefix}compute_frozen_blocks", []))
        needs += plan.disk_needs(slides, fetched, tunes)
    try:
        said = check_room(needs, PLAN.results)
    except HistotransferError as error:
        raise WorkflowError(str(error))
    if said:
        print(said, file=sys.stderr)


def say_which_slides_are_alike():
    """Warn of slides that seem to be copies of one."""
    for _, text in PLAN.warnings_of_copies():
        print(f"WARNING: {text}", file=sys.stderr)


def say_who_is_left_out():
    """Warn of extractors that have no features of a task's samples."""
    for text in PLAN.warnings_of_coverage():
        print(f"WARNING: {text}", file=sys.stderr)


def show_one_line():
    """In a terminal, show one line that moves instead of several lines for each job.

    The line knows a rule's stage by the file that the rule is in.
    """
    said = {str(word) for word in workflow.output_settings.quiet or ()}
    if workflow.output_settings.verbose or said & {"all", "progress"}:
        return
    stages = {
        one.name: Path(one.snakefile).stem
        for one in workflow.rules
        if one.snakefile.endswith(".smk")
    }
    jobs = Counter(job.rule.name for job in workflow.dag.needrun_jobs())
    show_progress(logger, stages, jobs)


def erase_the_line():
    """Erase the line that moves, before the last words."""
    for handler in logger.handlers:
        if isinstance(handler, ProgressLine):
            handler.stop()


def say_where_to_look():
    """Name the slides that were left out, and what to read and look at first of what is made."""
    results = Path(PLAN.results)
    excluded = results / "tables/excluded_slides.tsv"
    if excluded.exists():
        with excluded.open(encoding="utf-8", newline="") as rows:
            for row in csv.DictReader(rows, delimiter="\t"):
                print(
                    f"Excluded: slide {row['slide']} {Reason.of(row).sentence()}",
                    file=sys.stderr,
                )
    summary = results / "summary.html"
    figures = [results / f"figures/{figure}.png" for figure in PLAN.first_figures]
    first = [str(path) for path in (summary, *figures) if path.exists()]
    if first:
        print("\n  ".join(["Look at these first:", *first]), file=sys.stderr)


localrules:
    all,
    tiles,
    qc,
    features,
    crossval,
    tables,
    figures,
