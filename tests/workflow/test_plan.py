"""What the workflow plans and what it refuses, before any job."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
import rulegraph

from support.published_study import lay_out_the_published_study
from support.root import ROOT
from support.study import Study
from support.tiny_study import PATIENTS, RESULTS, Tiny

SLIDE = "SIM-01-0001-01Z-00-DX1"


def published(n_slides: int) -> list[str]:
    return [f"TCGA-05-{number:04d}-01Z-00-DX1" for number in range(n_slides)]


def test_without_data_nothing_starts_and_the_user_is_told_where_they_come_from(
    study: Study,
) -> None:
    process = study.snakemake()
    assert process.returncode != 0
    for word in (
        "config/slides.tsv",
        "config/mutations.tsv",
        "make sheets",
        "asks https://api.gdc.cancer.gov",
        "make demo",
    ):
        assert word in process.stdout
    assert not (study.folder / "results").exists()


def test_the_published_study_of_541_slides_plans_its_jobs(study: Study) -> None:
    lay_out_the_published_study(study, published(541))
    jobs = study.plan()
    assert jobs["tile_slide"] == jobs["extract_patches"] == jobs["judge_patches"] == 541
    # 541 slides in batches of 32, and CRC-VAL-HE-7K; all extractors in one job.
    assert jobs["extract_batch"] == 17 + 1
    assert "extract_features" not in jobs
    assert jobs["pack_dataset"] == 2
    assert jobs["fine_tune"] == jobs["build_imagenet"] == 1
    assert jobs["build_control"] == 2
    assert jobs["pool_features"] == 4
    assert jobs["draw_splits"] == jobs["read_labels"] == 3
    assert jobs["cross_validate"] == 3 * 4 * 5  # tasks, extractors, blocks of ten repeats
    assert jobs["score_predictions"] == jobs["trace_curve"] == 3 * 4
    not_planned = ("simulate", "check_truth", "draw_truth", "fetch_dataset", "fetch_slide")
    assert not any(rule.startswith(not_planned) for rule in jobs)
    count = sum(jobs.values()) + ("fetch_weights" not in jobs)  # the tests may have fetched them
    assert f"plans {count:,} jobs" in (ROOT / "docs/cluster.md").read_text()


def test_slides_of_the_sheet_that_are_not_there_stop_the_run_by_name(study: Study) -> None:
    lay_out_the_published_study(study, published(4))
    gone = study.folder / "data/slides/TCGA-05-0002-01Z-00-DX1.svs"
    gone.unlink()
    process = study.snakemake("--dry-run")
    assert process.returncode != 0
    assert "data/slides/TCGA-05-0002-01Z-00-DX1.svs" in process.stdout
    assert "TCGA-05-0001" not in process.stdout


def test_one_feature_file_asks_only_for_what_it_needs(study: Study) -> None:
    target = f"results/demo/features/FTX-2048/{SLIDE}.h5"
    jobs = study.plan(target, "--configfile", "config/demo.yaml")
    jobs.pop("fetch_weights", None)  # where the tests have not fetched them yet
    assert jobs == {
        "simulate_patches": 1,  # the fine-tuning set, not the evaluation set
        "pack_dataset": 1,
        "fit_stain": 1,
        "compute_frozen_blocks": 1,
        "fine_tune": 1,
        "simulate_slide": 1,
        "tile_slide": 1,
        "extract_patches": 1,
        "extract_features": 1,
    }


@pytest.mark.parametrize("target", ["tiles", "qc", "features", "crossval", "tables", "figures"])
def test_stages_can_be_asked_for_by_name(study: Study, target: str) -> None:
    jobs = study.plan(target, "--configfile", "config/demo.yaml")
    assert jobs[target] == 1
    assert ("extract_batch" in jobs) == (target not in {"tiles", "qc"})
    assert ("cross_validate" in jobs) == (target in {"crossval", "tables", "figures"})


@pytest.mark.parametrize(
    ("sheet", "named"),
    [
        ("slide\tpatient\tsite\tpath\n../evil\tP\tA\tx.svs\n", "line 2"),
        ("slide\tpatient\tsite\tpath\nS\tP\tA\tx.svs\nS\tP\tA\ty.svs\n", "listed twice"),
        ("slide\tpatient\tsite\tpath\nS\tP\tA\tx.svs\nT\tQ\tA\t./x.svs\n", "are one file"),
    ],
)
def test_a_wrong_sheet_stops_before_the_first_job(study: Study, sheet: str, named: str) -> None:
    (study.folder / "config/demo/slides.tsv").write_text(sheet)
    process = study.snakemake("--configfile", "config/demo.yaml")
    assert process.returncode != 0
    assert named in process.stdout
    assert "config/demo/slides.tsv" in process.stdout
    assert not (study.folder / "results").exists()


def test_a_wrong_config_stops_before_the_first_job(study: Study) -> None:
    config = study.config("demo.yaml")
    config["tiling"]["patch_pixels"] = config["tiling"].pop("patch_px")
    process = study.snakemake("--configfile", study.configure("wrong.yaml", config))
    assert process.returncode != 0
    assert "patch_p" in process.stdout
    assert not (study.folder / "results").exists()


def test_labels_that_name_nobody_stop_before_the_first_job(tmp_path: Path) -> None:
    tiny = Tiny(tmp_path)
    table = tmp_path / "data/mutation.tsv"
    labels = table.read_text()
    table.write_text(labels.replace("P0", "Q9"))
    assert tiny.plan(*tiny.arguments())["tile_slide"] == PATIENTS  # a dry run reads no labels
    process = tiny.snakemake(*tiny.arguments())
    assert process.returncode != 0
    assert "data/mutation.tsv: names no patient of the cohort" in process.stdout
    assert not (tiny.results / "tiles").exists()
    table.write_text(re.sub(r"\t[01]\b", "\t0", labels))
    process = tiny.snakemake(*tiny.arguments())
    assert process.returncode != 0
    assert "has patients of one class only, for all of its targets (2)" in process.stdout
    tiny.run(f"{RESULTS}/tiles/S00.h5", *tiny.arguments()[-2:])  # a pilot of one slide needs none


def test_external_features_are_pooled_and_compared_where_they_can_be(study: Study) -> None:
    lay_out_the_published_study(study, published(4))
    (study.folder / "data/uni").mkdir()
    (study.folder / "data/uni/TCGA-05-0000-01Z-00-DX1.h5").touch()
    (study.folder / "data/clinical.csv").touch()
    config = study.config("config.yaml")
    config["extractors"] |= {
        "UNI": {"features": "data/uni"},
        "CLINICAL": {"table": "data/clinical.csv"},
    }
    config["finetune"]["seeds"] = [1, 2]
    jobs = study.plan("--configfile", study.configure("more.yaml", config))
    assert jobs["fine_tune"] == 2
    assert jobs["compute_frozen_blocks"] == 1  # for both seeds
    assert jobs["pool_external"] == 2
    assert jobs["pool_features"] == 5  # with two controls
    assert jobs["extract_batch"] == 2  # the slides and the dataset, all networks in one job
    assert jobs["cross_validate"] == 5 * (5 + 2 * 7)  # tissue under the networks alone


def test_a_second_config_changes_keys_of_the_first(study: Study) -> None:
    lay_out_the_published_study(study, published(2))
    changes = study.configure("more.yaml", {"crossval": {"repeats": 60}})
    jobs = study.plan("crossval", "--configfile", "config/config.yaml", changes)
    assert jobs["cross_validate"] == 3 * 4 * 6
    assert study.plan("crossval")["cross_validate"] == 3 * 4 * 5  # without any, as published
    process = study.snakemake("--dry-run", "--configfile", changes)
    assert process.returncode != 0
    assert "config: lacks the keys `study`, `extractors`, `tasks`" in process.stdout


def test_an_unknown_slide_is_refused_by_name(study: Study) -> None:
    process = study.snakemake(
        "results/demo/tiles/nobody.h5", "--dry-run", "--configfile", "config/demo.yaml"
    )
    assert process.returncode != 0
    assert "config/demo/slides.tsv: lists no slide 'nobody'" in process.stdout


def test_another_workflow_can_use_this_one_as_a_module(study: Study) -> None:
    tiles = f"results/demo/tiles/{SLIDE}.h5"
    study.snakefile = study.folder / "Snakefile"
    study.snakefile.write_text(f"""
configfile: "config/demo.yaml"

module study:
    snakefile: "{ROOT / "Snakefile"}"
    config: config

use rule * from study as study_*

rule mine:
    default_target: True
    input: rules.study_tables.input, "{tiles}"
    output: "mine.txt"
    shell: "touch {{output}}"
""")
    jobs = study.plan()
    assert jobs["mine"] == jobs["study_fine_tune"] == jobs["study_compare_extractors"] == 1
    assert jobs["study_tile_slide"] == 54
    study.run(tiles)
    assert (study.folder / tiles).exists()


def test_the_catalogs_snakefile_is_the_workflow(study: Study) -> None:
    jobs = study.plan("--configfile", "config/demo.yaml")
    study.snakefile = ROOT / "workflow/Snakefile"
    jobs["everything"] = jobs.pop("all")
    assert study.plan("--configfile", "config/demo.yaml") == jobs


def test_the_readme_draws_the_graph_of_the_rules(study: Study) -> None:
    drawn = rulegraph.edges(
        study.run("tables", "--configfile", "config/demo.yaml", "--rulegraph", "mermaid-js")
    )
    assert len(drawn) > 40
    assert rulegraph.edges((ROOT / "README.md").read_text()) == drawn, "make rulegraph"


def test_controls_are_built_and_run_like_networks(study: Study) -> None:
    config = study.config("demo.yaml")
    config["extractors"] |= {"RANDOM": {"source": "random"}}
    jobs = study.plan("tables", "--configfile", study.configure("controls.yaml", config))
    assert (jobs["build_control"], jobs["build_imagenet"]) == (2, 1)
    # Two batches of slides and the dataset; the networks share the start of a job.
    assert jobs["extract_batch"] == 3
    assert jobs["cross_validate"] == 3 * 4 * 2


def test_lint_finds_nothing(study: Study) -> None:
    assert "good condition" in study.run("--lint", "--configfile", "config/demo.yaml")


def test_every_rule_has_its_log_benchmark_environment_and_resources() -> None:
    for path in sorted((ROOT / "workflow/rules").glob("*.smk")):
        for rule in re.split(r"^ *rule(?: \w+)?:$", path.read_text(), flags=re.MULTILINE)[1:]:
            if "script:" in rule:
                for directive in ("log:", "benchmark:", "conda:", "threads:", "**needs(mem_mb="):
                    assert directive in rule, (path.name, rule[:40])
                assert "code=" in rule, (path.name, rule[:40])


def test_every_script_is_run_by_a_rule_or_a_command() -> None:
    users = [*(ROOT / "workflow").rglob("*.smk"), ROOT / "Makefile"]
    callers = "".join(path.read_text() for path in users)
    for script in Path(ROOT / "workflow/scripts").glob("*.py"):
        assert f"scripts/{script.name}" in callers, script
