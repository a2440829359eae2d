"""One small study, run in the ways in which users run it: with conda, piece by piece, on SLURM."""

from __future__ import annotations

import contextlib
import copy
import os
import re
import shutil
import subprocess
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, TypeVar

import h5py
import numpy as np
import pandas as pd
import pytest

from support.conda_stand_in import install_conda
from support.one_node_slurm import cancel, describe_jobs, one_node_slurm, squeue, why_not
from support.root import ROOT
from support.small_study import GENES, SLIDES, SPARE, SmallStudy

pytestmark = pytest.mark.slow

T = TypeVar("T")


@pytest.fixture(scope="module")
def environment(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """Return the environment of a shell in which conda is installed, without a GPU's driver."""
    conda = install_conda(tmp_path_factory.mktemp("conda"))
    return {
        **os.environ,
        "PATH": os.pathsep.join([str(conda), os.environ["PATH"]]),
        "CONDA_OVERRIDE_CUDA": "12.8",
        "SNAKEMAKE_CONDA_PREFIX": str(tmp_path_factory.mktemp("envs")),
    }


@pytest.fixture(scope="module")
def local(tmp_path_factory: pytest.TempPathFactory, environment: dict[str, str]) -> SmallStudy:
    """Run the study here, in its conda environments."""
    folder = tmp_path_factory.mktemp("local")
    study = SmallStudy(folder, resources=tmp_path_factory.mktemp("resources"))
    study.environment = environment
    study.run("tables", "--use-conda", *study.arguments(), cores=8)
    return study


def test_every_rule_runs_in_its_conda_environment(local: SmallStudy) -> None:
    envs = Path(local.environment["SNAKEMAKE_CONDA_PREFIX"])
    made = {
        path.name: path.with_suffix(".yaml").read_text() for path in envs.iterdir() if path.is_dir()
    }
    wanted = [ROOT / f"envs/{name}.yaml" for name in ("network-gpu", "slides", "stats")]
    assert sorted(made.values()) == sorted(path.read_text() for path in wanted)


def test_gpu_jobs_run_one_after_another_and_name_their_device(local: SmallStudy) -> None:
    """The profile lends one GPU at a time, though eight cores would hold two of these jobs."""
    logs = sorted((local.folder / "results/logs/extract_batch").glob("*/*.log"))
    assert len(logs) == 2
    spans = []
    for log in logs:
        lines = log.read_text().splitlines()
        assert any("the network runs on the CPU" in line for line in lines)
        spans.append((lines[0][:8], lines[-1][:8]))
    (_, end), (start, _) = sorted(spans)
    assert end <= start


# What changed, as in docs/reruns.md, and how often each rule runs again.

ANSWER = dict.fromkeys(
    [
        *("compare_extractors", "answer_questions", "pick_patches", "map_best_slides"),
        *("tabulate_curves", "write_paper_tables", "tabulate_costs"),
    ],
    1,
)
FLOW = {"tabulate_flow": 1}
TUNING = {"tabulate_tuning": 1}
TASKS = {
    "read_labels": 2, "draw_splits": 2, "cross_validate": 4, "trace_curve": 4,
    "score_predictions": 4, **TUNING, **FLOW,
}  # fmt: skip
COHORT = {"pool_features": 1, "summarise_cohort": 1, "tabulate_slide_costs": 1}
RANKS = {"rank_extractors": 1}
"""Three extractors are ranked."""
ONE_SLIDE = {"tile_slide": 1, "extract_patches": 1, "judge_patches": 1, "extract_batch": 1}
CUT = {"extract_patches": 4, "judge_patches": 4, "extract_batch": 2}
ONE_TASK = {"cross_validate": 2, "trace_curve": 2, "score_predictions": 2, **TUNING}
LABELS = {"read_labels": 1, "draw_splits": 1, **ONE_TASK, **FLOW, **ANSWER}
FEATURES = {"pool_external": 1, **TASKS, **ANSWER}
RERUNS: dict[str, dict[str, int]] = {
    "nothing": {},
    "a slide added, anywhere in the sheet": {
        **ONE_SLIDE, "pool_external": 1, **COHORT, **TASKS, **ANSWER
    },
    "a slide's file touched": {**ONE_SLIDE, **COHORT, **TASKS, **ANSWER},
    "a QC threshold": {"judge_patches": 4, **COHORT, **TASKS, **ANSWER},
    "the stain choice": {**CUT, **COHORT, **TASKS, **ANSWER},
    "a table of labels": LABELS,
    "a MAF or a file of STAR counts, anywhere in its folder": LABELS,
    "a file of targets, a sheet of samples": LABELS,
    "a table of external features": FEATURES,
    "a file in a folder of external features": FEATURES,
    "a patch in a folder of patches": {
        "pack_dataset": 1, "fit_stain": 1, **CUT, **COHORT, **TASKS, **ANSWER
    },
    "your own network (`.keras`)": {
        "admit_model": 1, "extract_batch": 2, "pool_features": 1, **ONE_TASK, **ANSWER
    },
    "your own initial weights (`network.weights`)": {
        "fetch_weights": 1, "build_imagenet": 1, "extract_batch": 2, "pool_features": 1,
        **ONE_TASK, **ANSWER,
    },
    "one gene more": LABELS,
    "the number of folds": {
        "draw_splits": 2, "cross_validate": 4, "trace_curve": 4, "score_predictions": 4,
        **TUNING, **ANSWER,
    },
    "more repeats": {
        "draw_splits": 2, "cross_validate": 4, "score_predictions": 4, **TUNING, **ANSWER
    },
    "another predictor or its grid": {**ONE_TASK, **ANSWER},
    "a new extractor that is a network": {
        "compute_frozen_blocks": 1, "fine_tune": 1, "extract_batch": 2, "pool_features": 1,
        **ONE_TASK, **ANSWER, **RANKS,
    },
    "a new table of features": {
        "pool_external": 1, **TASKS, "cross_validate": 6, "trace_curve": 6, "score_predictions": 6,
        **ANSWER, **RANKS,
    },
    "extractors side by side (`concat`)": {**ONE_TASK, **ANSWER, **RANKS},
    "covariates, where there were none": {
        "pool_external": 1, **TASKS, "cross_validate": 10, "trace_curve": 10,
        "score_predictions": 10, "tabulate_table1": 1,
        **ANSWER, **RANKS,
    },
    "the seed": {
        "fetch_weights": 1, "build_imagenet": 1,  # random weights only
        "fit_stain": 1, **CUT, **COHORT, **TASKS, **ANSWER,
    },
    "the level of significance": ANSWER,
    "slides per job": {},
    "a comment, a docstring, the layout of a script or module": {},
    "a module of the library (`ridge.py`)": {
        "draw_splits": 2, "cross_validate": 4, "trace_curve": 4, "score_predictions": 4, **TUNING,
        **ANSWER,
    },
    "an environment file (`envs/stats.yaml`), with conda": {
        "pool_external": 1, **COHORT, **TASKS, **ANSWER
    },
}  # fmt: skip
IN_CONFIG: dict[str, dict[str, Any]] = {
    "a QC threshold": {"qc.max_pen_fraction": 0.5},
    "the stain choice": {"stain.method": "none"},
    "one gene more": {"tasks.expression.targets": GENES},
    "more repeats": {"crossval.repeats": 6},
    "the number of folds": {"crossval.folds": 5},
    "another predictor or its grid": {"tasks.mutation.C": [0.1]},
    "a new extractor that is a network": {"extractors.FTX-2048": {"source": "finetuned"}},
    "a new table of features": {"extractors.GENES": {"source": {"table": "data/expression.tsv"}}},
    "extractors side by side (`concat`)": {
        "extractors.BOTH": {"source": {"concat": ["IMGNET-2048", "CLINICAL"]}}
    },
    "covariates, where there were none": {"covariates": "data/clinical.tsv"},
    "the seed": {"seed": 1},
    "the level of significance": {"statistics.alpha": 0.01},
    "slides per job": {"features.slides_per_job": 3},
}


def changed(config: dict[str, Any], changes: dict[str, Any]) -> dict[str, Any]:
    """Return a config with other values at some keys, such as ``qc.apply``."""
    config = copy.deepcopy(config)
    for key, value in changes.items():
        *sections, name = key.split(".")
        part = config
        for section in sections:
            part = part[section]
        part[name] = value
    return config


def plan(study: SmallStudy, config: dict[str, Any] | None = None) -> dict[str, int]:
    jobs = study.plan("tables", "--use-conda", *study.arguments(config))
    jobs.pop("tables", None)
    return dict(jobs)


def test_every_row_of_the_table_of_reruns_is_tested_and_names_its_rules() -> None:
    rows = re.findall(r"^\| (.+?) \| (.+?) \|$", (ROOT / "docs/reruns.md").read_text(), re.M)
    table = dict(rows[1:])
    assert set(table) == set(RERUNS)
    groups = {"the answer": ANSWER, "the patients' tasks": TASKS}
    for change, jobs in RERUNS.items():
        named = set(re.findall(r"`(\w+)`", table[change]))
        for words, rules in groups.items():
            named |= set(rules) if words in table[change] else set()
        unnamed = {"fetch_weights", "build_imagenet"} if change == "the seed" else set()
        # The study here has no task of patches.
        assert named - {"embed_patches"} == set(jobs) - unnamed, change


@pytest.mark.parametrize("change", IN_CONFIG)
def test_a_change_of_the_config_runs_what_the_table_says(local: SmallStudy, change: str) -> None:
    assert plan(local, changed(local.small(), IN_CONFIG[change])) == RERUNS[change]


def test_nothing_runs_where_nothing_changed(local: SmallStudy) -> None:
    assert plan(local) == RERUNS["nothing"]


def test_what_runs_nothing_needs_no_data_and_no_finished_study(
    local: SmallStudy, tmp_path: Path
) -> None:
    """So far only the tables are made; the report holds these."""
    study = local.copy(tmp_path / "study")
    shutil.rmtree(study.folder / "data")
    (study.folder / "config/slides.tsv").unlink()
    assert "Unlocked" in study.run(
        "--unlock", cores=None
    )  # as docs/cluster.md says, without a config
    assert "fine_tune" in study.run("--list-rules", cores=None)
    report = tmp_path / "report.html"
    study.run("--report", str(report), *study.arguments(), cores=None)
    text = report.read_text()
    assert "comparison.tsv" in text
    assert "summary.html" not in text
    shutil.rmtree(study.folder / "results")
    process = study.snakemake("--report", str(report), cores=None)
    assert "nothing to report" in process.stdout
    assert "--configfile" in process.stdout


@contextlib.contextmanager
def another(path: Path, contents: bytes | None = None) -> Iterator[None]:
    """Put another file in a file's place, older than it: as ``cp -p`` and ``unzip`` do."""
    status, before = path.stat(), path.read_bytes()
    path.write_bytes(before + b"\n" if contents is None else contents)
    os.utime(path, ns=(status.st_atime_ns, status.st_mtime_ns - 10**15))
    try:
        yield
    finally:
        path.write_bytes(before)
        os.utime(path, ns=(status.st_atime_ns, status.st_mtime_ns))


@pytest.mark.parametrize(
    ("name", "change"),
    [
        ("data/expression.tsv", "a table of labels"),
        ("data/mutations.tsv", "a table of labels"),
        ("data/clinical.tsv", "a table of external features"),
        ("data/training/B/3.png", "a patch in a folder of patches"),
    ],
)
def test_a_file_of_the_users_that_an_older_one_replaces_is_noticed(
    local: SmallStudy, name: str, change: str
) -> None:
    with another(local.folder / name):
        assert plan(local) == RERUNS[change]
    assert plan(local) == {}


def star_counts(genes: pd.Series) -> str:
    rows = [f"ENSG{i}\t{gene}\t{tpm}" for i, (gene, tpm) in enumerate(genes.items())]
    return "\n".join(["# gene-model: x", "gene_id\tgene_name\ttpm_unstranded", *rows, ""])


@pytest.fixture(scope="module")
def folders(
    local: SmallStudy, tmp_path_factory: pytest.TempPathFactory
) -> tuple[SmallStudy, dict[str, Any]]:
    """Run a copy of the study whose labels, features and networks are files of the user's."""
    study = local.copy(tmp_path_factory.mktemp("folders") / "study")
    data = study.folder / "data"
    (data / "uni").mkdir()
    rng = np.random.default_rng(1)
    expression = pd.read_csv(data / "expression.tsv", sep="\t", index_col=0)
    mutations = pd.read_csv(data / "mutations.tsv", sep="\t", index_col=0)
    for number, slide in enumerate(SLIDES):
        patient = f"P-{slide}"
        star, maf = data / f"star/{number}/{slide}.tsv", data / f"mafs/{number}/{slide}.maf"
        for path in (star, maf):
            path.parent.mkdir(parents=True)
        star.write_text(star_counts(expression.loc[patient]))
        mutated = mutations.columns[mutations.loc[patient] == 1]
        rows = [f"{gene}\tNonsense_Mutation\t{patient}" for gene in mutated]
        head = "Hugo_Symbol\tVariant_Classification\tTumor_Sample_Barcode"
        maf.write_text("\n".join([head, *rows, ""]))
        with h5py.File(data / f"uni/{slide}.h5", "w") as file:
            file["features"] = rng.normal(size=(3, 4)).astype(np.float32)
    sheet = [f"{slide}.tsv\tP-{slide}" for slide in SLIDES]
    (data / "sheet.tsv").write_text("\n".join(["File Name\tSample ID", *sheet, ""]))
    sequenced = [f"P-{slide}" for slide in SLIDES]
    (data / "sequenced.tsv").write_text("\n".join(["sample", *sequenced, ""]))
    (data / "genes.txt").write_text("\n".join([*GENES[:3], ""]))
    shutil.copy(study.folder / "results/models/IMGNET-2048.keras", data / "own.keras")
    shutil.copy(study.folder / "resources/xception_random.h5", data / "own.h5")
    config = changed(
        study.small(),
        {
            "network.weights": "data/own.h5",
            "extractors.UNI": {"source": {"features": "data/uni"}},
            "extractors.OWN": {"source": "data/own.keras"},
            "tasks.expression.labels": {"star_counts": "data/star", "samples": "data/sheet.tsv"},
            "tasks.expression.targets": "data/genes.txt",
            "tasks.mutation.labels": {
                "maf": "data/mafs",
                "samples": "data/sequenced.tsv",
                "variant_classes": "non-silent",
            },
        },
    )
    study.run("tables", "--use-conda", *study.arguments(config))
    return study, config


def of_four(jobs: dict[str, int]) -> dict[str, int]:
    """Return the jobs of four extractors, of which two are networks, where two tell of two."""
    again = {"cross_validate": 2, "trace_curve": 2, "score_predictions": 2}
    return (
        jobs | RANKS | {rule: jobs[rule] * times for rule, times in again.items() if rule in jobs}
    )


@pytest.mark.parametrize(
    ("name", "change"),
    [
        ("data/star/2/S2.tsv", "a MAF or a file of STAR counts, anywhere in its folder"),
        ("data/mafs/1/S1.maf", "a MAF or a file of STAR counts, anywhere in its folder"),
        ("data/genes.txt", "a file of targets, a sheet of samples"),
        ("data/sheet.tsv", "a file of targets, a sheet of samples"),
        ("data/sequenced.tsv", "a file of targets, a sheet of samples"),
        ("data/uni/S3.h5", "a file in a folder of external features"),
    ],
)
def test_a_file_that_is_rewritten_inside_a_folder_is_noticed(
    folders: tuple[SmallStudy, dict[str, Any]], name: str, change: str
) -> None:
    study, config = folders
    with another(study.folder / name):
        assert plan(study, config) == of_four(RERUNS[change])
    assert plan(study, config) == {}


def test_a_file_that_is_added_deeper_in_a_folder_is_noticed(
    folders: tuple[SmallStudy, dict[str, Any]],
) -> None:
    study, config = folders
    added = study.folder / "data/mafs/1/again/x.maf.gz"
    added.parent.mkdir()
    added.touch()
    change = "a MAF or a file of STAR counts, anywhere in its folder"
    try:
        assert plan(study, config) == of_four(RERUNS[change])
    finally:
        shutil.rmtree(added.parent)
    assert plan(study, config) == {}


def test_what_other_programs_leave_in_a_folder_runs_nothing(
    folders: tuple[SmallStudy, dict[str, Any]],
) -> None:
    study, config = folders
    left = ["mafs/.DS_Store", "mafs/1/logs/S1.maf", "star/._S1.tsv", "star/x.tsv.parcel",
            "uni/._S1.h5", "uni/S9.h5", "uni/run.log", "training/.DS_Store"]  # fmt: skip
    for name in left:
        (study.folder / "data" / name).parent.mkdir(exist_ok=True)
        (study.folder / "data" / name).touch()
    assert plan(study, config) == {}


@pytest.mark.parametrize(
    ("name", "change"),
    [
        ("data/own.keras", "your own network (`.keras`)"),
        ("data/own.h5", "your own initial weights (`network.weights`)"),
    ],
)
def test_a_network_of_the_users_that_is_replaced_is_noticed(
    folders: tuple[SmallStudy, dict[str, Any]], name: str, change: str
) -> None:
    study, config = folders
    one_network = {"cross_validate": 2, "trace_curve": 2, "score_predictions": 2}  # both tasks
    with another(study.folder / name):
        jobs = plan(study, config)
    assert {rule: jobs[rule] for rule in one_network} == one_network
    assert jobs == RERUNS[change] | RANKS


def test_a_slide_that_is_added_on_top_moves_no_other(local: SmallStudy) -> None:
    local.write_sheet([SPARE, *SLIDES])
    try:
        assert plan(local) == RERUNS["a slide added, anywhere in the sheet"]
    finally:
        local.write_sheet(SLIDES)


def test_a_slide_that_is_touched_is_read_again(local: SmallStudy) -> None:
    slide = local.folder / f"data/slides/{SLIDES[1]}.svs"
    stat = slide.stat()
    slide.touch()
    try:
        assert plan(local) == RERUNS["a slide's file touched"]
    finally:
        os.utime(slide, ns=(stat.st_atime_ns, stat.st_mtime_ns))


@pytest.fixture
def edited(
    local: SmallStudy, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Callable[[str, Callable[[str], str]], dict[str, int]]:
    """Return what plans the study with a copy of the workflow in which one file is edited."""
    for name in ("Snakefile", "workflow", "envs", "profiles"):
        path = ROOT / name
        (shutil.copytree if path.is_dir() else shutil.copy)(path, tmp_path / name)
    monkeypatch.setattr(local, "snakefile", tmp_path / "Snakefile")

    def plan_with(name: str, edit: Callable[[str], str]) -> dict[str, int]:
        path = tmp_path / name
        before = path.read_text()
        path.write_text(edit(before))
        assert path.read_text() != before
        return plan(local)

    return plan_with


SCRIPT = "workflow/scripts/extract_patches.py"
MODULE = "workflow/scripts/histotransfer/evaluation/predictors/ridge.py"


@pytest.mark.parametrize(
    ("name", "edit", "change"),
    [
        (SCRIPT, lambda text: f"# a thought\n{text}\n\n",
         "a comment, a docstring, the layout of a script or module"),
        (MODULE, lambda text: text.replace('"""', '"""Truly: ', 1),
         "a comment, a docstring, the layout of a script or module"),
        (MODULE, lambda text: f"{text}\nEPSILON = 1e-9\n",
         "a module of the library (`ridge.py`)"),
        ("envs/stats.yaml", lambda text: text.replace("scipy >=1.15", "scipy >=1.16"),
         "an environment file (`envs/stats.yaml`), with conda"),
    ],
)  # fmt: skip
def test_a_change_of_the_workflow_runs_what_the_table_says(edited, name, edit, change) -> None:
    assert edited(name, edit) == RERUNS[change]


def test_more_repeats_leave_the_blocks_that_are_there_alone(
    local: SmallStudy, tmp_path: Path
) -> None:
    study = local.copy(tmp_path / "copy")
    blocks = sorted((study.folder / "results/cv").rglob("*.h5"))
    before = [(path, path.stat().st_mtime_ns, path.read_bytes()) for path in blocks]
    more = changed(study.small(), {"crossval.repeats": 6})
    assert plan(study, more) == RERUNS["more repeats"]
    study.run("tables", "--use-conda", *study.arguments(more))
    assert [(path, path.stat().st_mtime_ns, path.read_bytes()) for path in blocks] == before
    assert len(list((study.folder / "results/cv").rglob("*.h5"))) == len(blocks) + 4
    assert plan(study, more) == {}


SLURM = (
    *("--workflow-profile", str(ROOT / "profiles/slurm")),
    # As the profile says for a cluster without accounting, and as often as a test would ask.
    *("--slurm-no-account", "--slurm-status-command", "squeue"),
    *("--slurm-init-seconds-before-status-checks", "4", "--seconds-between-status-checks", "2"),
    *("--jobs", "4"),
)


def wait_for(found: Callable[[], T], process: subprocess.Popen[bytes], log: Path) -> T:
    """Wait until something is found, while a process is running."""
    deadline = time.monotonic() + 900
    while not (what := found()):
        assert process.poll() is None, log.read_text()[-8000:]
        assert time.monotonic() < deadline, log.read_text()[-8000:]
        time.sleep(0.2)
    return what


def finished(rule: str, log: Path) -> int:
    """Count a rule's jobs that Snakemake knows to be done."""
    return len(re.findall(rf"Finished jobid: .*\(Rule: {rule}\)", log.read_text()))


def is_of(rule: str, comment: str) -> bool:
    """Tell by the comment that Snakemake gives a job in SLURM whether it is one of a rule's."""
    return re.fullmatch(rf"rule_{rule}(_wildcards_.*)?", comment) is not None


def running(rule: str) -> list[str]:
    """Return the ids of a rule's running jobs in SLURM."""
    rows = squeue("--states=RUNNING", "--format=%i|%k")
    return [number for number, comment in rows if is_of(rule, comment)]


@pytest.mark.skipif(bool(why_not()), reason=f"no SLURM: {why_not()}")
def test_a_run_on_slurm_survives_a_killed_job_and_a_killed_submission(
    local: SmallStudy, tmp_path: Path
) -> None:
    study = SmallStudy(tmp_path / "study", resources=local.folder / "resources")
    study.environment = local.environment
    command = study.command("tables", *study.arguments(), *SLURM, cores=None)
    log = tmp_path / "snakemake.log"
    with one_node_slurm(tmp_path / "slurm"), log.open("wb") as out:
        study.run("--conda-create-envs-only", "tables", *study.arguments(), *SLURM, cores=None)
        first = subprocess.Popen(command, stdout=out, stderr=out, env=study.environment)
        try:
            victim, *_ = wait_for(lambda: running("extract_batch"), first, log)
            cancel(victim)
            for rule in ("pool_features", "cross_validate"):
                wait_for(lambda rule=rule: finished(rule, log), first, log)
        finally:
            first.kill()  # as when the login node goes down: its jobs go on
            first.wait()
        cancel()
        while squeue("--states=RUNNING,COMPLETING"):
            time.sleep(0.2)
        study.run("--unlock", cores=None)
        planned = study.plan("tables", "--use-conda", *study.arguments())
        study.run("tables", *study.arguments(), *SLURM, cores=None)
        jobs = describe_jobs()

    assert "Trying to restart job" in log.read_text()
    assert "compare_extractors" in planned
    for rule in (*ONE_SLIDE, "build_imagenet", "pool_features"):  # what was finished stays
        assert rule not in planned
    for path in (local.folder / "results/tables").glob("*.tsv"):
        if path.stem not in ("costs", "slide_costs"):  # what the machine did
            assert (study.folder / "results/tables" / path.name).read_bytes() == path.read_bytes()
    network = [job for job in jobs if is_of("extract_batch", job["Comment"])]
    assert {(job["Partition"], job["TresPerJob"]) for job in network} == {("gpu", "gres:gpu:1")}
    # Two batches, and the one that was killed again, with twice the memory.
    assert sorted(job["MinMemoryNode"] for job in network) == ["16000M", "8000M", "8000M"]
    blocks = [job for job in jobs if is_of("cross_validate", job["Comment"])]
    assert any("ArrayJobId" in job for job in blocks)
