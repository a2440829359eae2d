"""Synthetic results with the columns that the comparison writes, for tests of what is shown."""

from __future__ import annotations

from itertools import product
from pathlib import Path

import numpy as np
import pandas as pd

from histotransfer.core.hdf5 import create_store
from histotransfer.core.tables import write_table
from histotransfer.evaluation.comparison import SCHEMAS
from histotransfer.qc.verdicts import REASONS
from histotransfer.results.planted_truth import TRUTH

COLUMNS = {name: [*schema.columns] for name, schema in {**SCHEMAS, "truth": TRUTH}.items()}
CLASSES = ["ADI", "BACK", "DEB", "LYM", "MUC", "MUS", "NORM", "STR", "TUM"]
GENES = ["STK11", "TP53", "LRP1B", "NF1", "FAT1", "EGFR", "KRAS", "KEAP1", "SETBP1", "FAT4"]
Paths = dict[str, Path | list[Path]]


def write_results(
    folder: Path,
    *,
    extractors: tuple[str, ...] = ("IMGNET-2048", "FTX-2048"),
    genes: int = 24,
    mutations: int = 6,
    slides: int = 54,
    patches: int = 270,
    repeats: int = 10,
    seed: int = 1,
) -> Paths:
    """Write every table that figures, claims and report read; return their paths by name.

    The first half of the genes and of the mutations follow the image; the last mutation is too rare
    to be estimated.
    """
    rng = np.random.default_rng(seed)
    patients = slides - 4
    rows: dict[str, list[dict[str, object]]] = {name: [] for name in COLUMNS}
    _tissue(rows, rng, extractors, patches)
    _expression(rows, rng, extractors, genes, patients)
    scores = _mutation(rows, rng, extractors, mutations, patients, repeats)
    tables = {name: pd.DataFrame(rows[name], columns=columns) for name, columns in COLUMNS.items()}
    tables |= _cohort(rng, slides, patients)
    tables["gallery"] = _gallery(extractors)
    tables["embedding"] = _embedding(rng, extractors)
    tuned = tables["confusion"].query("extractor != @extractors[0]")
    tables["classifier"] = tuned.assign(dataset="CRC-VAL-HE-7K")
    paths: Paths = {}
    for name, table in tables.items():
        paths[name] = _written(table, folder / "tables" / f"{name}.tsv")
    paths["scores"] = [
        _written(table, folder / "scores" / "mutation" / f"{name}.tsv")
        for name, table in scores.items()
    ]
    paths["training"] = [_written(_history(), folder / "models" / "FTX-2048.training.tsv")]
    dropped = pd.DataFrame([{"item": "FAT4", "what": "target", "reason": "3 positives"}])
    paths["excluded_labels"] = [_written(dropped, folder / "labels" / "mutation.excluded.tsv")]
    paths["elsewhere"] = []
    paths["gallery_images"] = folder / "gallery/patches.h5"
    paths["gallery_images"].parent.mkdir(exist_ok=True)
    with create_store(paths["gallery_images"], "gallery/1", {}) as store:
        count = len(tables["gallery"])
        store["images"] = rng.integers(0, 255, (count, 24, 24, 3), dtype=np.uint8)
        store["shown"] = np.arange(count) != 3
    return paths


def _written(table: pd.DataFrame, path: Path) -> Path:
    write_table(table, path)
    return path


def _difference(task, target, metric, n, names, before, after, half) -> dict[str, object]:
    """Return a row of the comparison; NaN means are a target that cannot be estimated."""
    delta, z = after - before, 1.96 * abs(after - before) / half
    p = min(1.0, np.exp(-0.717 * z - 0.416 * z * z)) if np.isfinite(z) else np.nan
    return {
        "task": task,
        "target": target,
        "metric": metric,
        "n": n,
        "baseline": names[0],
        "extractor": names[1],
        "baseline_mean": before,
        "extractor_mean": after,
        "delta": delta,
        "ci_low": delta - half,
        "ci_high": delta + half,
        "p_corrected": p,
        "q_bh": min(1.0, 2 * p),
        "p_wilcoxon": p / 50,
        "status": "ok" if np.isfinite(delta) else "not estimable",
    }


def _tissue(rows, rng, extractors, patches) -> None:
    n = patches // len(CLASSES)
    recall = {
        name: np.clip(0.93 + 0.02 * (k > 0) + rng.normal(0, 0.03, len(CLASSES)), 0, 0.997)
        for k, name in enumerate(extractors)
    }
    for name, share in recall.items():
        for i, true in enumerate(CLASSES):
            row = np.insert(rng.dirichlet(np.full(8, 0.3)) * (1 - share[i]), i, share[i])
            rows["confusion"] += [
                {"extractor": name, "true": true, "predicted": called, "fraction": part, "n": n}
                for called, part in zip(CLASSES, row, strict=True)
            ]
    before = recall[extractors[0]]
    for name in extractors[1:]:
        pair, after = (extractors[0], name), recall[name]
        overall = ("tissue", "all", "accuracy", patches, pair, before.mean(), after.mean(), 0.012)
        rows["comparison"].append(_difference(*overall))
        rows["comparison"] += [
            _difference("tissue", target, "accuracy", n, pair, before[i], after[i], 0.03)
            for i, target in enumerate(CLASSES)
        ]


def _gallery(extractors) -> pd.DataFrame:
    rows = [
        {"task": task, "target": target, "extractor": extractors[-1], "score": 0.71, "side": side}
        | {"rank": rank, "prediction": 3.2 - rank, "label": None if rank == 2 else rank % 2}
        for task, target in (("expression", "GENE001"), ("mutation", "STK11"))
        for side in ("highest", "lowest")
        for rank in range(1, 7)
    ]
    return pd.DataFrame(rows).assign(slide="S", patient="P", x=0, y=0)


def _embedding(rng, extractors) -> pd.DataFrame:
    centres = rng.normal(0, 30, (len(CLASSES), 2))
    tables = []
    for name in extractors:
        place = np.repeat(centres, 30, axis=0) + rng.normal(0, 6, (30 * len(CLASSES), 2))
        table = pd.DataFrame(place, columns=["x", "y"])
        table["tissue"] = np.repeat(CLASSES, 30)
        table["neighbours_of_class"] = 0.9
        tables.append(table.assign(task="tissue", extractor=name))
    return pd.concat(tables)


def _expression(rows, rng, extractors, genes, patients) -> None:
    for g in range(genes):
        gene, follows = f"GENE{g + 1:03d}", g < genes // 2
        before = rng.beta(2, 4) if follows else rng.normal(0, 0.1)
        r = [before, *(before + rng.normal(0.03, 0.03, len(extractors) - 1))]
        for name, value in zip(extractors, r, strict=True):
            p = float(0.5 * np.exp(-patients * max(value, 0) ** 2))
            found = p < 0.05
            related = {"r": value, "n": patients, "p_one_sided": p, "related": found}
            rows["related_genes"].append(
                {"task": "expression", "target": gene, "extractor": name, "q_bh": p}
                | related
                | {"related_bh": found}
            )
            rows["truth"].append(_truth("expression", gene, name, value, p, follows, "LYM"))
        rows["comparison"] += [
            _difference("expression", gene, "pearson", patients, (extractors[0], name), *pair, 0.05)
            for name, pair in zip(extractors[1:], product(r[:1], r[1:]), strict=True)
        ]
    table = pd.DataFrame(rows["related_genes"])
    related = table.groupby("target")["related"].any()
    r = table.pivot_table(index="target", columns="extractor", values="r")[related]
    for name in extractors[1:]:
        better = int((r[name] > r[extractors[0]]).sum())
        share = better / max(1, len(r))
        rows["improved"].append(
            {
                "extractor": name,
                "n_related": len(r),
                "n_improved": better,
                "fraction": share,
                "ci_low": max(0, share - 0.12),
                "ci_high": min(1, share + 0.1),
            }
        )


def _mutation(rows, rng, extractors, mutations, patients, repeats) -> dict[str, pd.DataFrame]:
    scores: dict[str, list[dict[str, object]]] = {name: [] for name in extractors}
    for g, gene in enumerate(GENES[:mutations]):
        rare, follows, p = g == mutations - 1, g < mutations // 2, 0.01 * (g + 1)
        auroc = [np.nan if rare else 0.72 - 0.03 * g + 0.02 * k for k in range(len(extractors))]
        for name, mean in zip(extractors, auroc, strict=True):
            rows["mutation"].append(
                {
                    "target": gene,
                    "extractor": name,
                    "mean": mean,
                    "n_positive": 3 if rare else patients // 3 - g,
                    "n": patients,
                    "status": "not estimable" if rare else "ok",
                }
            )
            if not rare:
                rate = np.linspace(0, 1, 51)
                curve = rate ** (1 / mean - 1)
                rows["roc"] += [
                    {"task": "mutation", "target": gene, "extractor": name, "fpr": x, "tpr": y}
                    | {"ci_low": max(0, y - 0.1), "ci_high": min(1, y + 0.1)}
                    for x, y in zip(rate, curve, strict=True)
                ]
            q = np.nan if rare else p
            rows["truth"].append(_truth("mutation", gene, name, mean, q, follows, "TUM"))
            scores[name] += [
                {
                    "target": gene,
                    "metric": "auroc",
                    "repeat": repeat,
                    "fold": fold,
                    "value": mean + rng.normal(0, 0.02),
                }
                for repeat in range(repeats)
                for fold in (-1, 0)
            ]
        rows["comparison"] += [
            _difference(
                "mutation", gene, "auroc", patients, (extractors[0], name), auroc[0], mean, 0.05
            )
            for name, mean in zip(extractors[1:], auroc[1:], strict=True)
        ]
    return {name: pd.DataFrame(table) for name, table in scores.items()}


def _truth(task, target, name, value, q, follows, tissue) -> dict[str, object]:
    return {
        "target": target,
        "task": task,
        "follows": tissue if follows else "",
        "extractor": name,
        "value": value,
        "q_bh": q,
        "recovered": q <= 0.05,
        "expected": follows,
        "agrees": follows == (q <= 0.05),
    }


def _cohort(rng, slides, patients) -> dict[str, pd.DataFrame]:
    tiles = rng.integers(100, 160, slides)
    odds = [0.8, 0.01, 0.03, 0.05, 0.03, 0.06, 0.02, 0]
    qc = pd.DataFrame([rng.multinomial(n, odds) for n in tiles], columns=[*REASONS])
    qc.insert(0, "slide", [f"SIM-01-{i:04d}-01Z-00-DX1" for i in range(slides)])
    qc.insert(1, "patient", [f"SIM-01-{min(i, patients - 1):04d}" for i in range(slides)])
    qc = qc.assign(n_tiles=tiles, mpp=0.5, mpp_source="header", tissue_mm2=1.2, error="")
    qc = qc.assign(n_patches=qc["kept"], stain_degenerate=0)
    cohort = qc.groupby("patient", as_index=False).agg(
        n_slides=("slide", "size"), n_slides_used=("slide", "size"), n_patches=("kept", "sum")
    )
    bad = {"slide": "SIM-01-0098-01Z-00-DX1", "patient": "SIM-01-0098", "reason": "no tissue found"}
    return {
        "qc": qc,
        "cohort": cohort,
        "excluded_slides": pd.DataFrame([bad]),
        "cohort_flow": _flow(slides, patients),
        "costs": _costs(slides),
    }


def _flow(slides, patients) -> pd.DataFrame:
    rows = [
        ("", "in the slide sheet", "slides", slides + 1, "in"),
        ("", "in the slide sheet", "patients", patients + 1, "in"),
        ("", "no tissue found", "slides", 1, "out"),
        ("", "no usable slide", "patients", 1, "out"),
        ("", "with patches that count", "slides", slides, "in"),
        ("", "with patches that count", "patients", patients, "in"),
        ("", "tiles with tissue", "patches", 130 * slides, "in"),
        *(("", reason, "patches", 2, "out") for reason in REASONS if reason != "kept"),
        ("", "patches that count", "patches", 120 * slides, "in"),
        ("tissue", "compared", "patches", 7180, "in"),
        ("tissue", "compared", "targets", 1, "in"),
    ]
    for task, out in (("expression", 3), ("mutation", 15)):
        rows += [
            (task, "in the slide sheet", "patients", patients + 1, "in"),
            (task, "no row in the labels table", "patients", out, "out"),
            (task, "compared", "patients", patients - out, "in"),
            (task, "compared", "targets", 24, "in"),
        ]
    return pd.DataFrame(rows, columns=["task", "step", "unit", "n", "kind"])


def _costs(slides) -> pd.DataFrame:
    rules = [
        *(("tiling", "tile_slide"), ("tiling", "cut_patches"), ("qc", "judge_patches")),
        *(("finetune", "fine_tune"), ("features", "extract_batch")),
        *(("crossval", f"rule{i}") for i in range(15)),
    ]
    rows = [
        {"stage": stage, "rule": rule, "jobs": slides, "max_rss_mb": 100 * (i + 1)}
        | {"cpu_hours": 2.0 / (1 + i), "gpu_hours": 0.5 if rule == "fine_tune" else 0.0}
        for i, (stage, rule) in enumerate(rules)
    ]
    return pd.DataFrame(rows)


def _history() -> pd.DataFrame:
    """Return a history as fine-tuning writes it: epoch 0 is the state before the step."""
    rows = []
    for step, start, length in ((1, 2.2, 12), (2, 0.22, 5)):
        for epoch in range(length + 1):
            loss = start / (1 + epoch)
            before = epoch == 0
            rows.append(
                {
                    "step": step,
                    "epoch": epoch,
                    "loss": np.nan if before else loss,
                    "accuracy": np.nan if before else 1 - loss / 3,
                    "val_loss": loss + 0.01 * epoch,
                    "val_accuracy": 1 - (loss + 0.01 * epoch) / 3,
                    "learning_rate": 1e-3 / step,
                }
            )
    return pd.DataFrame(rows)
