"""A rehearsal of the published study at its true size, without its slides: `make rehearsal`.

541 slides of 478 patients, of whom 455 have labels, 770 genes, 10 mutations and 7,180 tissue
patches under two extractors of 2,048 features. What the slides' and the networks' rules would have
written is drawn; then Snakemake runs what follows from it by config/config.yaml, without its
controls: labels, splits, 50 x 5 cross-validation, scores, tables, figures, summary. At the end
stand each rule's time and greatest memory, from Snakemake's own benchmark files, and a training
fold of each task beside scikit-learn's pipelines (of the genes a few, counted for all).

FTX-2048 sees what drives expression with less noise than IMGNET-2048, and must come out as the
better one.
"""

from __future__ import annotations

import argparse
import os
import resource
import shutil
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pandas as pd
import yaml

from crossval import (
    LIMIT_MB,
    LIMIT_S,
    PUBLISHED,
    TINY,
    Size,
    contests,
    deep_features,
    patches,
    patients,
)
from histotransfer.core.hdf5 import create_store
from histotransfer.core.tables import TableSchema, read_table, write_table
from histotransfer.evaluation.comparison import COMPARISON
from histotransfer.features.pooling import write_patients
from histotransfer.qc.verdicts import REASONS
from histotransfer.results.near_duplicates import NEAR_DUPLICATES
from ratios import report

ROOT = Path(__file__).resolve().parent.parent
EXTRA_SLIDES, UNLABELLED = 63, 23
"""Slides beyond one a patient; patients with slides but without labels."""
BLUR = {"IMGNET-2048": 1.0, "FTX-2048": 0.3}  # noise in what drives the features, in its own SD
CLASSES = ["ADI", "BACK", "DEB", "LYM", "MUC", "MUS", "NORM", "STR", "TUM"]
RULES = [
    *("summarise_cohort", "read_labels", "draw_splits", "cross_validate", "score_predictions"),
    *(
        "compare_extractors",
        "answer_questions",
        "tabulate_tuning",
        "embed_patches",
        "tabulate_flow",
    ),
    *("write_paper_tables", "write_summary"),
]
FIGURES = ["tissue_accuracy", "confusion", "expression", "volcano", "mutation", "qc", "training"]
FIGURES += ["roc", "embedding", "cohort_flow"]
BENCHMARK = TableSchema("benchmark", {"s": "number", "max_rss": "number"})
TABLES = ["comparison", "answers", "improved", "related_genes", "mutation", "confusion", "metrics"]
TABLES += ["roc", "embedding", "qc", "excluded_slides", "cohort", "cohort_flow"]


def lay_out(folder: Path, repeats: int | None, size: Size) -> dict[str, Any]:
    """Draw a study into a folder and return its config."""
    with_slides = size.patients + UNLABELLED
    config: dict[str, Any] = yaml.safe_load((ROOT / "config/config.yaml").read_text())
    config |= {"study": "simulated", "results": "results/rehearsal", "slides": "slides.tsv"}
    config.pop("download", None)
    config["extractors"] = {name: config["extractors"][name] for name in BLUR}  # no control
    config["crossval"]["repeats"] = repeats or config["crossval"]["repeats"]
    config["datasets"] = {name: {"path": f"data/{name}"} for name in config["datasets"]}
    for kind in ("expression", "mutation"):
        config["tasks"][kind] |= {"labels": f"data/{kind}.tsv", "targets": "all"}
    folder.mkdir(parents=True)
    (folder / "config.yaml").write_text(yaml.safe_dump(config, sort_keys=False))
    for name in config["datasets"]:
        (folder / "data" / name).mkdir(parents=True)
    rng = np.random.default_rng(config["seed"])
    results = folder / config["results"]

    names = [f"TCGA-{i % 40:02d}-{i:04d}" for i in range(with_slides)]
    owners = names + names[:EXTRA_SLIDES]
    of_patient = dict.fromkeys(names, 0)
    rows = []
    for owner in owners:
        of_patient[owner] += 1
        slide = f"{owner}-01Z-00-DX{of_patient[owner]}"
        rows.append({"slide": slide, "patient": owner, "path": f"data/{slide}.svs"})
        (folder / rows[-1]["path"]).touch()
        write_verdicts(results / f"qc/{slide}.h5", slide, rng)
    write_table(pd.DataFrame(rows), folder / "slides.tsv")

    latent, genes, mutated = patients(rng, size)
    labelled = names[: size.patients]
    tpm = np.exp2(genes - genes.min()) - 1  # so that log2(TPM + 1) is what was drawn
    for kind, letter, values in (("expression", "G", tpm), ("mutation", "M", mutated.astype(int))):
        columns = [f"{letter}{i:03d}" for i in range(values.shape[1])]
        table = pd.DataFrame(values, columns=columns)
        table.insert(0, "sample", [f"{name}-01A" for name in labelled])
        write_table(table, folder / f"data/{kind}.tsv")
    others = rng.standard_normal((UNLABELLED, latent.shape[1])) * latent.std(axis=0)
    everyone = np.concatenate([latent, others])
    tissue, codes = patches(rng, size)
    patch_names = [f"{CLASSES[code]}/{i:05d}.tif" for i, code in enumerate(codes)]
    dataset = config["tasks"]["tissue"]["dataset"]
    for extractor, blur in BLUR.items():
        seen = everyone + blur * latent.std(axis=0) * rng.standard_normal(everyone.shape)
        write_patients(
            results / f"pooled/{extractor}.h5", names,
            deep_features(rng, seen, size.features).astype("f4"),
            n_slides=list(of_patient.values()), n_patches=[1000] * with_slides,
            attrs={"extractor": extractor},
        )  # fmt: skip
        with create_store(
            results / f"features/{extractor}/{dataset}.h5",
            "features/1",
            {"classes": CLASSES, "extractor": extractor},
        ) as store:
            store["features"] = deep_features(rng, tissue, size.features).astype("f2")
            store["labels"] = codes.astype("i2")
            store.create_dataset("names", data=patch_names, dtype=h5py.string_dtype())
    (results / "patches").mkdir()
    shutil.copy(results / f"features/IMGNET-2048/{dataset}.h5", results / f"patches/{dataset}.h5")
    write_table(NEAR_DUPLICATES.empty(), results / "tables/near_duplicates.tsv", NEAR_DUPLICATES)
    (results / "models").mkdir()
    (results / "models/FTX-2048.training.tsv").write_text(
        "step\tepoch\tloss\taccuracy\tval_loss\tval_accuracy\tlearning_rate\n"
        "1\t0\t\t\t2.5\t0.1\t0.001\n1\t1\t0.5\t0.9\t0.4\t0.93\t0.001\n"
        "2\t1\t0.3\t0.95\t0.3\t0.97\t0.0003\n"
    )
    return config


def write_verdicts(path: Path, slide: str, rng: np.random.Generator) -> None:
    """Draw quality control's verdict on the patches of a slide."""
    shares = dict.fromkeys(REASONS, 0.0) | {"kept": 0.85, "background": 0.1, "blurred": 0.05}
    counts = rng.multinomial(rng.integers(500, 8000), list(shares.values()))
    reason = np.repeat(np.fromiter(REASONS.values(), np.uint8), counts)
    attrs = {
        "slide": slide, "code": "", "detail": "", "remedy": "",
        "mpp": 0.25, "mpp_source": "header", "effective_mpp": 0.5, "tissue_mm2": 50.0,
        "pixel_source": "tiff tiles", "stain_status": "fitted",
    }  # fmt: skip
    with create_store(path, "qc/1", attrs) as store:
        store.create_dataset("reason", data=reason, dtype=h5py.enum_dtype(REASONS, np.uint8))
        store["stored"] = (reason != REASONS["background"]).astype("u1")


def rehearse(folder: Path, results: str, cores: int) -> tuple[float, float]:
    """Run the workflow and return its seconds, and those of CPU of all its processes."""
    targets = [f"{results}/figures/{name}.png" for name in FIGURES]
    targets += [f"{results}/tables/{name}.tsv" for name in TABLES]
    targets += [f"{results}/tables/paper.xlsx", f"{results}/summary.html"]
    started = time.perf_counter()
    subprocess.run(
        [
            *(sys.executable, "-m", "snakemake", "--snakefile", str(ROOT / "Snakefile")),
            *("--directory", str(folder), "--cores", str(cores), *targets),
            *("--configfile", str(folder / "config.yaml"), "--quiet", "rules", "host"),
            *("--allowed-rules", *RULES, *(f"draw_{name}" for name in FIGURES)),
        ],
        check=True,
    )
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return time.perf_counter() - started, used.ru_utime + used.ru_stime


def spent(benchmarks: Path) -> pd.DataFrame:
    """Return jobs, seconds and the greatest memory (MB) of each rule."""
    rows = []
    for path in sorted(benchmarks.rglob("*.tsv")):
        row = read_table(path, BENCHMARK).iloc[0]
        rule = path.relative_to(benchmarks).parts[0].removesuffix(".tsv")
        task = path.parts[-3] if rule == "cross_validate" else ""
        rows.append({"rule": f"{rule} {task}".strip(), **row[["s", "max_rss"]]})
    return (
        pd.DataFrame(rows)
        .groupby("rule", sort=False)
        .agg(jobs=("s", "size"), s=("s", "sum"), mb=("max_rss", "max"))
        .sort_values("s", ascending=False)
    )


def main() -> None:
    """Run the rehearsal."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--folder", type=Path, default=Path("results/rehearsal"))
    parser.add_argument("--cores", type=int, default=min(2, len(os.sched_getaffinity(0))))
    parser.add_argument("--repeats", type=int, help="for a trial; the published study's are 50")
    parser.add_argument("--tiny", action="store_true", help="try whether the rehearsal runs")
    options = parser.parse_args()
    size = TINY if options.tiny else PUBLISHED
    folder = options.folder.resolve()
    shutil.rmtree(folder, ignore_errors=True)
    config = lay_out(folder, options.repeats, size)
    seconds, cpu = rehearse(folder, config["results"], options.cores)
    results = folder / config["results"]
    rules = spent(results / "benchmarks")
    print(rules.round(1).to_string())
    print(f"all: {seconds:.0f} s on {options.cores} cores, of which {cpu:.0f} s of CPU")
    report(f"rehearsal-time/{options.cores}-cores-{LIMIT_S}s", LIMIT_S / seconds, 1)
    report(f"rehearsal-memory/{LIMIT_MB}MB", LIMIT_MB / rules["mb"].max(), 1)

    comparison = read_table(results / "tables/comparison.tsv", COMPARISON)
    expression = comparison[comparison["task"] == "expression"]
    assert (len(expression), set(expression["n"])) == (size.genes, {size.patients})  # noqa: S101 - its own check
    better = (expression["delta"] > 0).mean()
    print(f"expression: FTX-2048 better for {better:.0%} of {size.genes} genes")
    assert options.tiny or better > 0.9  # noqa: S101
    print(
        f"the obvious way, a training fold of {size.patients} patients x {size.features} features:"
    )
    os.sched_setaffinity(0, {min(os.sched_getaffinity(0))})
    contests(config["tasks"], 1, size)


if __name__ == "__main__":
    main()
