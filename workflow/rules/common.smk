import csv
import sys
from pathlib import Path

from snakemake.exceptions import WorkflowError

WORKFLOW = Path(workflow.current_basedir).parent
SCRIPTS = WORKFLOW / "scripts"
sys.path.insert(0, str(SCRIPTS))

from histotransfer.study.batches import assign_batches, write_ledger
from histotransfer.core.errors import HistotransferError
from histotransfer.core.provenance import code_digest
from histotransfer.study.config import (
    check_config,
    dataset_path,
    is_fetched,
    label_files,
    label_source,
    missing_data,
    sheet_files,
)
from histotransfer.study.slide_sheet import missing_slides, read_slide_sheet
from histotransfer.study.extractors import extractors


def stop_where_data_are_missing(missing):
    """Stop with a list of what is missing, unless nothing is planned (--lint, --list-rules)."""
    if missing and workflow.check_envvars:
        shown = missing[:20] + [f"... and {len(missing) - 20} more"] * (
            len(missing) > 20
        )
        raise WorkflowError(
            "These data of the study are not there yet:\n  - "
            + "\n  - ".join(shown)
            + "\nPut them there, or name their places in the config (config/README.md). "
            "`make demo` runs the whole study on simulated data and needs none of them."
        )


try:
    check_config(config, WORKFLOW / "schemas/config.schema.yaml")
    stop_where_data_are_missing(missing_data(config))
    SLIDES = {}
    if Path(config["slides"]).exists():
        SLIDES = read_slide_sheet(
            config["slides"],
            WORKFLOW / "schemas/slides.schema.yaml",
            reserved=config["datasets"],
        )
except HistotransferError as error:
    raise WorkflowError(str(error))

SIMULATED = "simulate" in config
DATA = config["download"]["folder"] if "download" in config else "data"
FETCHED_DATASETS = [
    name for name in config["datasets"] if is_fetched(config["datasets"][name])
]
# A slide of the GDC is fetched if it lies where `make sheets` has it lie.
FETCHED_SLIDES = {
    slide.slide
    for slide in SLIDES.values()
    if slide.file_id and slide.path == f"{DATA}/slides/{slide.slide}.svs"
}
if not SIMULATED:
    stop_where_data_are_missing(
        missing_slides(
            slide for slide in SLIDES.values() if slide.slide not in FETCHED_SLIDES
        )
    )

EXTRACTORS = extractors(config)
NETWORKS = [name for name, extractor in EXTRACTORS.items() if extractor.is_network]
ELSEWHERE = [name for name in EXTRACTORS if name not in NETWORKS]
TASKS = {
    name: task | ({"labels": label_source(config, task)} if "labels" in task else {})
    for name, task in config["tasks"].items()
}
FETCHED_LABELS = {
    name: TASKS[name]["labels"]
    for name, task in config["tasks"].items()
    if is_fetched(task.get("labels"))
}
# Features made elsewhere know the slides' patients, but not the patches of a tissue dataset.
COMPARED_IN = {
    name: NETWORKS if task["kind"] == "tissue" else list(EXTRACTORS)
    for name, task in TASKS.items()
}
TISSUE_DATASETS = sorted(
    {task["dataset"] for task in TASKS.values() if task["kind"] == "tissue"}
)
GPU = config["network"]["gpu"]
# A GPU waits for decoding threads; without one, processes of one thread use the cores best.
NETWORK_THREADS = 4 if GPU else 1
NETWORK_ENV = "../../envs/network-gpu.yaml" if GPU else "../../envs/network.yaml"

# One start of the network serves a batch of slides, one start of Python a block of repeats.
BATCHES_LEDGER = f"{config['results']}/features/batches.tsv"
BATCHES = assign_batches(SLIDES, config["features"]["slides_per_job"], BATCHES_LEDGER)
_size = config["crossval"]["repeats_per_job"]
BLOCKS = {
    f"{start // _size:03d}": list(
        range(start, min(start + _size, config["crossval"]["repeats"]))
    )
    for start in range(0, config["crossval"]["repeats"], _size)
}


def of_kind(*kinds):
    """List the extractors of these kinds."""
    return [name for name, extractor in EXTRACTORS.items() if extractor.kind in kinds]


def any_of(names):
    """Match one of these names, or nothing where there are none."""
    return "|".join(map(re.escape, names)) or "(?!)"


pathvars:
    results=config["results"],
    logs=f"{config['results']}/logs",
    benchmarks=f"{config['results']}/benchmarks",
    data=DATA,


wildcard_constraints:
    # Datasets' files lie beside the slides' and are not slides.
    slide=rf"(?!(?:{any_of(config['datasets'])})\.\w+$)[A-Za-z0-9][A-Za-z0-9._-]*",
    dataset=any_of(config["datasets"]),
    extractor=any_of(EXTRACTORS),
    task=any_of(TASKS),
    batch=r"\d+",
    block=r"\d+",


def code(script):
    """Digest a script with all that it imports: a change of what it computes runs it again."""
    return code_digest(SCRIPTS / script, SCRIPTS)


def grows(amount):
    """Ask for more of a resource at each attempt."""
    return lambda wildcards, attempt: amount * attempt


def slide_of(wildcards):
    """Look up a slide of the sheet."""
    if wildcards.slide not in SLIDES:
        raise WorkflowError(f"slide '{wildcards.slide}' is not in {config['slides']}")
    return SLIDES[wildcards.slide]


def slide_made_here(wildcards):
    """Name a slide as an input if a rule makes it.

    A slide of the user's is none: if it vanished in the run, Snakemake would end the whole run,
    instead of one job that lists the slide and goes on. `slide_state` stands in for it.
    """
    slide = slide_of(wildcards)
    return slide.path if SIMULATED or slide.slide in FETCHED_SLIDES else []


def slide_state(wildcards):
    """Tell a slide's size and time of change: another file at its place runs its jobs again.

    A fetched slide is told by its digest, for it comes and goes.
    """
    slide = slide_of(wildcards)
    if slide.slide in FETCHED_SLIDES:
        return slide.md5
    path = Path(slide.path)
    if SIMULATED or not path.exists():
        return ""
    stat = path.stat()
    return f"{stat.st_size} bytes, {stat.st_mtime_ns} ns"


def labels_input(wildcards):
    """Name what a task's labels are read from."""
    task = TASKS[wildcards.task]
    if task["kind"] == "tissue":
        return {"patches": f"<results>/patches/{task['dataset']}.h5"}
    files = {
        "labels": [path for _, path in label_files(task["labels"])],
        "cohort": "<results>/tables/cohort.tsv",
        # Extractors are compared on the patients that all of them have.
        "pooled": expand("<results>/pooled/{extractor}.h5", extractor=ELSEWHERE),
    }
    if wildcards.task in FETCHED_LABELS:
        folder, samples = files["labels"]
        files["labels"] = [f"{folder}/MANIFEST.txt", samples]
    if isinstance(task["targets"], str) and task["targets"] != "all":
        files["targets"] = task["targets"]
    return files


def features_of_samples(wildcards):
    """Name the features of a task's samples: patches of a dataset, or patients."""
    task = TASKS[wildcards.task]
    if task["kind"] == "tissue":
        return f"<results>/features/{wildcards.extractor}/{task['dataset']}.h5"
    return f"<results>/pooled/{wildcards.extractor}.h5"


def of_all_tasks(pattern, **wildcards):
    """Name a file of each task and extractor compared in it, task by task."""
    return [
        path
        for task, names in COMPARED_IN.items()
        for path in expand(pattern, task=task, extractor=names, **wildcards)
    ]


def table(name):
    """Name a table of the results."""
    return f"<results>/tables/{name}.tsv"


# In the order of the argument; the report sorts them by name.
CATEGORIES = [
    "Read this first",
    "Comparison",
    "Tissue types",
    "Expression",
    "Mutation",
    "What predicts",
    "Fine-tuning",
    "Cohort and quality",
    "Costs",
]


def category(name):
    """Number a category of the report, so that the order of the names is that of the argument."""
    return f"{1 + CATEGORIES.index(name)} {name}"


def in_report(name, of, title):
    """Show a table in the report, under its category, with its caption."""
    return report(
        table(name),
        caption=f"../report/{name}_table.rst",
        category=category(of),
        labels={"result": f"Table: {title}"},
    )


def say_where_to_look():
    """Name the slides that were left out and the figures to look at first."""
    results = Path(config["results"])
    excluded = results / "tables/excluded_slides.tsv"
    if not excluded.exists():
        return
    with excluded.open(encoding="utf-8", newline="") as rows:
        for row in csv.DictReader(rows, delimiter="\t"):
            print(f"Left out: slide {row['slide']}: {row['reason']}", file=sys.stderr)
    print("Read first, and look first at these three figures:", file=sys.stderr)
    for name in (
        "summary.html",
        *(f"figures/{figure}.png" for figure in FIRST_FIGURES),
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
