"""Results for tests of what is shown: the producers' own tables of synthetic predictions."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from functools import cache
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import numpy.typing as npt
import pandas as pd

from histotransfer.core.exclusions import NOT_EXCLUDED, Reason
from histotransfer.core.hdf5 import create_store
from histotransfer.core.tables import TableSchema, write_table
from histotransfer.evaluation.comparison import MAKERS
from histotransfer.evaluation.curve_tables import (
    FRACTION,
    PER_CLASS,
    TARGET,
    WHOLE,
    learning_curves,
    shuffles,
)
from histotransfer.evaluation.external_scores import validate
from histotransfer.evaluation.fold_scores import FoldScores
from histotransfer.evaluation.kinds import KINDS, TaskKind
from histotransfer.evaluation.learning_curves import Curve
from histotransfer.evaluation.predictions import Predictions
from histotransfer.evaluation.scores import scores_of_repeat
from histotransfer.evaluation.task_results import TaskResults
from histotransfer.qc.verdicts import REASONS
from histotransfer.results.answers import answer_questions
from histotransfer.results.cohort_flow import COMPARED, IN, OUT, POOLED, SHEET, TILES, USED
from histotransfer.results.ranks import compare_pairs, rank_extractors
from histotransfer.results.resource_usage import STAGES
from histotransfer.results.schemas import HEATMAP, IMAGES
from histotransfer.results.sensitivity import AS_DECLARED, tabulate_robustness
from histotransfer.results.tables import SCHEMAS, Files
from histotransfer.study.parameters import StatisticsParameters

CLASSES = ["ADI", "BACK", "DEB", "LYM", "MUC", "MUS", "NORM", "STR", "TUM"]
GENES = ["STK11", "TP53", "LRP1B", "NF1", "FAT1", "EGFR", "KRAS", "KEAP1", "SETBP1", "FAT4"]
FOLDS = 5
Float = npt.NDArray[np.float64]


def write_results(
    folder: Path,
    *,
    extractors: tuple[str, ...] = ("IMGNET-2048", "FTX-2048"),
    genes: int = 24,
    mutations: int = 6,
    slides: int = 54,
    patches: int = 270,
    repeats: int = 4,
    seed: int = 1,
) -> dict[str, Files]:
    """Write every table that figures, claims and report read; return their paths by name.

    The first half of the genes and of the mutations follow the image; the last mutation is too rare
    to be estimated.
    """
    rng = np.random.default_rng(seed)
    patients = slides - 4
    compared, scored = _compared(extractors, genes, mutations, patients, patches, repeats, seed)
    tables = dict(compared)
    tables["answers"] = answer_questions(
        tables, patch_tasks=["tissue"], runs={}, alpha=0.05, rope=0.01
    )
    tables["ranks"] = rank_extractors(tables["comparison"], tables["metrics"], runs={}, alpha=0.05)
    tables["pairs"] = compare_pairs(tables["comparison"], runs={})
    tables["truth"] = rows("truth", _truth(tables))
    tables["embedding"] = rows("embedding", _embedding(rng, extractors))
    tables["gallery"] = rows("gallery", _gallery(extractors))
    tables["heatmaps"] = rows("heatmaps", _heatmaps(extractors))
    tuned = tables["confusion"].query("extractor != @extractors[0]").drop(columns="task")
    tables["classifier"] = tuned.assign(dataset="CRC-VAL-HE-7K")
    tables |= _cohort(rng, slides, patients)
    tables |= _curves(extractors, genes, mutations, patients, patches, repeats, seed)
    tables["tuning"] = rows("tuning", [TUNED])
    tables["robustness"] = tabulate_robustness(_alternatives(tables["answers"], rng), DIFFERS)
    tables["validation"] = _validation(extractors, genes, mutations, patients, seed)
    paths: dict[str, Files] = {
        name: written(name, table, folder / "tables" / f"{name}.tsv")
        for name, table in tables.items()
    }
    paths["scores"] = {
        "mutation": {
            name: written(
                "scores",
                table.assign(task="mutation", extractor=name),
                folder / "scores/mutation" / f"{name}.tsv",
            )
            for name, table in scored.items()
        }
    }
    history = written("training", rows("training", _history()), folder / "models/FTX.training.tsv")
    paths["training"] = {"FTX-2048": history}
    dropped = {"item": "FAT4", "what": "target", **Reason("no_variance", "3 positives").as_row()}
    labels = folder / "labels/mutation.excluded.tsv"
    paths["excluded_labels"] = {
        "mutation": written("excluded_labels", rows("excluded_labels", [dropped]), labels)
    }
    paths["external"] = {}
    paths["gallery_images"] = _images(rng, tables["gallery"], folder / "gallery/patches.h5")
    paths["heatmap_images"] = _maps(rng, tables["heatmaps"], folder / "heatmaps/best.h5")
    return paths


DIFFERS = {
    "no-stain": "stain.method: none",
    "no-qc": "qc.apply: false",
    "seed7": "finetune.seeds: [7]",
}


def _alternatives(answers: pd.DataFrame, rng: np.random.Generator) -> dict[str, pd.DataFrame]:
    """Return answers that differ a little, of which only one has an alternative for patches."""
    found = {AS_DECLARED: answers}
    for name in DIFFERS:
        kept = answers if name == "seed7" else answers[answers["task"] != "tissue"]
        shift = 0.02 * rng.normal(size=len(kept))
        found[name] = kept.assign(
            **{column: kept[column] + shift for column in ("delta", "ci_low", "ci_high")}
        )
    return found


TUNED = {
    "task": "mutation", "extractor": "FTX-2048", "predictor": "logistic", "parameter": "C",
    "lowest": 1e-5, "highest": 1e-1, "n": 250, "n_lowest": 40, "n_highest": 3,
    "n_lower": 70, "n_higher": 0, "n_lower_limit": 61, "n_higher_limit": 0,
}  # fmt: skip


def rows(name: str, found: Iterable[Mapping[str, object]]) -> pd.DataFrame:
    """Make a table of rows; a column that its schema does not have is an error."""
    table, schema = pd.DataFrame(found), SCHEMAS[name]
    assert set(table) <= set(schema.columns), set(table) - set(schema.columns)
    return table.reindex(columns=list(schema.columns))


def written(name: str, table: pd.DataFrame, path: Path) -> Path:
    """Write a table by its schema and return where."""
    write_table(table, path, SCHEMAS[name])
    return path


def emptied(paths: Mapping[str, Files], folder: Path, *names: str) -> dict[str, Files]:
    """Return the paths with the named tables replaced by tables without rows."""

    def without_rows(files: Files, schema: TableSchema, place: str) -> Files:
        if isinstance(files, Mapping):
            return {
                key: without_rows(inner, schema, f"{place}-{key}") for key, inner in files.items()
            }
        write_table(schema.empty(), folder / f"{place}.tsv", schema)
        return folder / f"{place}.tsv"

    return {**paths, **{name: without_rows(paths[name], SCHEMAS[name], name) for name in names}}


@cache
def _curves(
    extractors: tuple[str, ...],
    genes: int,
    mutations: int,
    patients: int,
    patches: int,
    repeats: int,
    seed: int,
) -> dict[str, pd.DataFrame]:
    """Return the learning curves of scores that grow with the samples, and shuffles around 0."""
    parts: dict[str, list[pd.DataFrame]] = {"learning_curves": [], "permuted": []}
    for of_task in _tasks(extractors, genes, mutations, patients, patches, repeats, seed):
        sizes = [2.0, 5.0, 10.0, 20.0] if of_task.task == "tissue" else [0.25, 0.5, 0.75]
        per = len(CLASSES) if of_task.task == "tissue" else 0.8 * patients
        curves = {
            name: Curve(
                np.array(sizes), per * np.array(sizes), 0.8 * len(of_task.truth),
                [
                    FoldScores(grown * full.folds[:2], grown * full.pairs[:1])
                    for grown in 1 - 0.5 / (1 + np.arange(len(sizes)))
                ],
                0.1 * full.folds[:2],
            )
            for name, full in of_task.primary.items()
        }  # fmt: skip
        unit = PER_CLASS if of_task.task == "tissue" else FRACTION
        every = range(1 if of_task.task == "tissue" else len(of_task.targets))
        places = {
            (WHOLE, ""): [*every],
            **{(TARGET, t): [i] for i, t in enumerate(of_task.targets)},
        }
        whose = {"task": of_task.task, "metric": of_task.kind.metric}
        for name, table in {
            "learning_curves": learning_curves(
                of_task.primary, curves, places, unit, of_task.kind.bounds
            ),
            "permuted": shuffles(of_task.primary, curves, places),
        }.items():
            parts[name].append(table.assign(**whose))
    return {name: pd.concat(tables, ignore_index=True) for name, tables in parts.items()}


@cache
def _tasks(
    extractors: tuple[str, ...],
    genes: int,
    mutations: int,
    patients: int,
    patches: int,
    repeats: int,
    seed: int,
) -> tuple[TaskResults, ...]:
    rng = np.random.default_rng(seed)
    return (
        _results("tissue", *_classes(rng, extractors, patches, repeats)),
        _results("expression", *_genes(rng, extractors, genes, patients, repeats)),
        _results("mutation", *_mutations(rng, extractors, mutations, patients, repeats)),
        _results("survival", *_times(rng, extractors, patients, repeats)),
    )


@cache
def _compared(
    extractors: tuple[str, ...],
    genes: int,
    mutations: int,
    patients: int,
    patches: int,
    repeats: int,
    seed: int,
) -> tuple[dict[str, pd.DataFrame], Mapping[str, pd.DataFrame]]:
    """Return the tables of the comparison, and the scores of the mutations by extractor."""
    *results, survival = _tasks(extractors, genes, mutations, patients, patches, repeats, seed)
    tables = {
        name: pd.concat(
            make(of_task)
            for of_task in (*results, survival)
            if name in of_task.kind.tables
            or (name in ("comparison", "metrics") and of_task is not survival)
        )
        for name, make in MAKERS.items()
    }
    return tables, results[-1].scores


@cache
def _validation(
    extractors: tuple[str, ...], genes: int, mutations: int, patients: int, seed: int
) -> pd.DataFrame:
    """Validate three tasks in another cohort; cross-validation was a little more favourable."""
    rng = np.random.default_rng(seed)
    parts = []
    for task, (truth, targets, values) in {
        "expression": _genes(rng, extractors, genes, patients, 1),
        "mutation": _mutations(rng, extractors, mutations, patients, 1),
        "survival": _times(rng, extractors, patients, 1),
    }.items():
        predicted = {name: of_repeats[0] for name, of_repeats in values.items()}
        parts.append(
            validate(KINDS[task], truth, predicted, targets, rng, draws=60).assign(task=task)
        )
    table = pd.concat(parts, ignore_index=True)
    before = {"crossval": 0.04, "crossval_low": -0.02, "crossval_high": 0.1}
    return table.assign(
        trained_on="TCGA",
        tested_on="CPTAC",
        **{name: table["value"] + change for name, change in before.items()},
    )


def _results(
    kind: str, truth: Float, targets: list[str], values: Mapping[str, Float]
) -> TaskResults:
    """Score predictions, (repeats, n, targets) by extractor."""
    samples = [f"P{i:04d}" for i in range(len(truth))]
    repeats = len(next(iter(values.values())))
    # Another repeat has another split.
    fold_of = np.array(
        [
            np.random.default_rng(repeat).permutation(np.arange(len(truth)) % FOLDS)
            for repeat in range(repeats)
        ]
    )
    predictions = {
        name: Predictions(
            predicted.astype(np.float32), np.arange(repeats), samples, targets, _without(predicted)
        )
        for name, predicted in values.items()
    }
    return TaskResults(
        task=kind,
        kind=KINDS[kind],
        scores={name: _scores(KINDS[kind], truth, of, fold_of) for name, of in predictions.items()},
        predictions=predictions,
        truth=truth,
        fold_of=fold_of,
        parameters=StatisticsParameters(rope=0.01, alpha=0.05, seed=7),
        number=0,
    )


def _without(predicted: Float) -> npt.NDArray[np.float32]:
    """Predictions that another fold, left out too, changes a little."""
    rng = np.random.default_rng(8)
    # Of a target that is too rare, nothing is predicted.
    spread = 0.1 * np.nanstd(predicted)
    changes = rng.normal(0, spread, (len(predicted), FOLDS, *predicted.shape[1:]))
    return np.asarray(predicted[:, None] + changes, dtype=np.float32)


def _scores(
    kind: TaskKind, truth: Float, predictions: Predictions, fold_of: npt.NDArray[np.int_]
) -> pd.DataFrame:
    return pd.concat(
        table.assign(repeat=repeat)
        for repeat, drawn in enumerate(fold_of)
        for table in scores_of_repeat(kind, truth, drawn, predictions, repeat)
    )


def _noisy(rng: np.random.Generator, signal: Float, repeats: int, noise: float) -> Float:
    """Predict a signal in several repeats: one error that they share, and small ones of each."""
    own = rng.normal(0, 0.2 * noise, (repeats, *signal.shape))
    return signal + rng.normal(0, noise, signal.shape) + own


def _classes(
    rng: np.random.Generator, extractors: Sequence[str], patches: int, repeats: int
) -> tuple[Float, list[str], dict[str, Float]]:
    truth = np.eye(len(CLASSES))[np.arange(patches) % len(CLASSES)]
    noise = {name: 0.3 - 0.02 * (k > 0) for k, name in enumerate(extractors)}
    return truth, CLASSES, {k: _noisy(rng, truth, repeats, size) for k, size in noise.items()}


def _genes(
    rng: np.random.Generator, extractors: Sequence[str], genes: int, patients: int, repeats: int
) -> tuple[Float, list[str], dict[str, Float]]:
    image, truth = rng.normal(size=(2, patients, genes))
    truth[:, : genes // 2] += image[:, : genes // 2]
    values = {
        name: _noisy(rng, image, repeats, 1.6 - 1.3 * (k > 0)) for k, name in enumerate(extractors)
    }
    return truth, [f"GENE{i + 1:03d}" for i in range(genes)], values


def _times(
    rng: np.random.Generator, extractors: Sequence[str], patients: int, repeats: int
) -> tuple[Float, list[str], dict[str, Float]]:
    """Draw times that end in the event for two thirds, and risks that know something of them."""
    risk = rng.normal(size=(patients, 1))
    time = 20 * rng.exponential(size=risk.shape) * np.exp(-risk)
    truth = np.where(rng.random(risk.shape) < 2 / 3, time, -time)
    drawn = {
        name: risk + (1.5 - 0.3 * place) * rng.normal(size=(repeats, patients, 1))
        for place, name in enumerate(extractors)
    }
    return truth, ["survival"], drawn


def _mutations(
    rng: np.random.Generator, extractors: Sequence[str], mutations: int, patients: int, repeats: int
) -> tuple[Float, list[str], dict[str, Float]]:
    truth = np.zeros((patients, mutations))
    for i in range(mutations):
        positives = 3 if i == mutations - 1 else patients // 3 - i
        truth[rng.choice(patients, positives, replace=False), i] = 1
    follows = np.where(np.arange(mutations) < mutations // 2, 1.2, 0.0)
    values = {
        name: _noisy(rng, truth * follows, repeats, 1 - 0.2 * (k > 0))
        for k, name in enumerate(extractors)
    }
    for predicted in values.values():
        predicted[:, :, -1] = np.nan  # what cross-validation does with so few positives
    return truth, GENES[:mutations], values


def _truth(tables: Mapping[str, pd.DataFrame]) -> list[dict[str, object]]:
    found = []
    for task, name, value, tissue in (
        ("expression", "related_genes", "r", "LYM"),
        ("mutation", "mutation", "mean", "TUM"),
    ):
        known = set(tables[name]["target"])
        targets = [gene for gene in GENES if gene in known] or sorted(known)
        for row in tables[name].to_dict("records"):
            follows = targets.index(row["target"]) < len(targets) // 2
            recovered = row["q_bh"] <= 0.05
            found.append(
                {
                    "target": row["target"],
                    "task": task,
                    "follows": tissue if follows else "",
                    "effect": float(follows),
                    "extractor": row["extractor"],
                    "value": row[value],
                    "q_bh": row["q_bh"],
                    "recovered": recovered,
                    "expected": follows,
                    "agrees": follows == recovered,
                }
            )
    return found


def _gallery(extractors: Sequence[str]) -> list[dict[str, object]]:
    return [
        {
            "task": task,
            "target": target,
            "extractor": extractors[-1],
            "score": 0.71,
            "side": side,
            "rank": rank,
            "slide": "S",
            "patient": "P",
            "x": 24 * rank,
            "y": 24 * ((task == "mutation") + 2 * (side == "lowest")),
            "prediction": 3.2 - rank,
            "label": None if rank == 2 else rank % 2,
        }
        for task, target in (("expression", "GENE001"), ("mutation", "STK11"))
        for side in ("highest", "lowest")
        for rank in range(1, 7)
    ]


def _heatmaps(extractors: Sequence[str]) -> list[dict[str, object]]:
    return [
        {
            "task": task, "target": target, "slide": f"S{number}", "patient": f"P{number}",
            "why": why, "extractor": extractor, "reading": "exact", "unit": unit, "label": 1.0,
            "prediction": 0.7, "score": 0.2, "slide_score": 0.2, "n_patches": 12,
        }
        for task, target, unit in (
            ("expression", "GENE001", "unit of the label"), ("mutation", "STK11", "log-odds")
        )
        for number, why in enumerate(("highest prediction", "lowest prediction", "changes most"))
        for extractor in extractors
    ]  # fmt: skip


def _maps(rng: np.random.Generator, table: pd.DataFrame, path: Path) -> Path:
    """Write maps of 12 patches on pictures of several shapes."""
    path.parent.mkdir(exist_ok=True)
    extractors = table["extractor"].unique().tolist()
    x, y = np.meshgrid(np.arange(4), np.arange(3))
    shapes = [(30, 40), (80, 40), (20, 60)]
    maps = table.drop_duplicates(["task", "target", "slide"])
    with create_store(path, HEATMAP, {}) as store:
        for number, row in enumerate(maps.itertuples()):
            group = store.create_group(f"{number:03d}")
            for name in ("task", "target", "slide"):
                group.attrs[name] = getattr(row, name)
            group.attrs["extractors"] = extractors
            group.attrs["origin_px"] = [0, 0]
            group.attrs.update({"mpp": 0.5, "patch_size_level0": 448, "downsample": 64.0})
            group["coords"] = 448 * np.column_stack([x.ravel(), y.ravel()]).astype(np.int32)
            group["contributions"] = rng.normal(size=(12, len(extractors)))
            size = (*shapes[number % 3], 3)
            group["thumbnail"] = rng.integers(150, 255, size, dtype=np.uint8)
    return path


def _images(rng: np.random.Generator, table: pd.DataFrame, path: Path) -> Path:
    """Write the images of a gallery, of which one is missing, in another order."""
    table, count = table.iloc[::-1], len(table)
    path.parent.mkdir(exist_ok=True)
    with create_store(path, IMAGES, {}) as store:
        store.create_dataset("slide", data=table["slide"].tolist(), dtype=h5py.string_dtype())
        for name in ("x", "y"):
            store[name] = table[name].to_numpy(dtype=np.int64)
        store["images"] = rng.integers(0, 255, (count, 24, 24, 3), dtype=np.uint8)
        store["shown"] = np.arange(count) != 3
    return path


def _embedding(rng: np.random.Generator, extractors: Sequence[str]) -> list[dict[str, object]]:
    centres = rng.normal(0, 30, (len(CLASSES), 2))
    return [
        {
            "task": "tissue",
            "extractor": name,
            "sample": f"{tissue}/{i}",
            "tissue": tissue,
            "x": x,
            "y": y,
            "neighbours_of_class": 0.9,
        }
        for name in extractors
        for tissue, centre in zip(CLASSES, centres, strict=True)
        for i, (x, y) in enumerate(centre + rng.normal(0, 6, (30, 2)))
    ]


def _cohort(rng: np.random.Generator, slides: int, patients: int) -> dict[str, pd.DataFrame]:
    tiles = rng.integers(100, 160, slides)
    odds = [0.8, 0.01, 0.03, 0.05, 0.03, 0.06, 0.02, 0, 0]
    qc = pd.DataFrame([rng.multinomial(n, odds) for n in tiles], columns=[*REASONS])
    qc = qc.assign(
        slide=[f"SIM-01-{i:04d}-01Z-00-DX1" for i in range(slides)],
        patient=[f"SIM-01-{min(i, patients - 1):04d}" for i in range(slides)],
        n_tiles=tiles,
        mpp=0.5,
        mpp_source="header",
        effective_mpp=0.5,
        tissue_mm2=1.2,
        stain_degenerate=0,
        n_patches=qc["kept"],
        **NOT_EXCLUDED,
    )
    cohort = qc.groupby("patient", as_index=False).agg(
        n_slides=("slide", "size"), n_slides_used=("slide", "size"), n_patches=("kept", "sum")
    )
    bad = {"slide": "SIM-01-0098-01Z-00-DX1", "patient": "SIM-01-0098"}
    reason = Reason("no_tissue", "tissue on the slide: 0 mm²", "Look at its overview")
    return {
        "qc": rows("qc", qc.to_dict("records")),
        "cohort": cohort,
        "excluded_slides": rows("excluded_slides", [bad | reason.as_row()]),
        "cohort_flow": rows("cohort_flow", _flow(slides, patients)),
        "costs": rows("costs", _costs(slides)),
    }


def _flow(slides: int, patients: int) -> list[dict[str, Any]]:
    found = [
        ("", SHEET, "", "slide", slides + 1, IN),
        ("", SHEET, "", "patient", patients + 1, IN),
        ("", USED, "no_tissue", "slide", 1, OUT),
        ("", USED, "no_usable_patch", "patient", 1, OUT),
        ("", USED, "", "slide", slides, IN),
        ("", USED, "", "patient", patients, IN),
        ("", TILES, "", "patch", 130 * slides, IN),
        *(("", POOLED, reason, "patch", 2, OUT) for reason in REASONS if reason != "kept"),
        ("", POOLED, "", "patch", 120 * slides, IN),
        ("tissue", COMPARED, "", "patch", 7180, IN),
        ("tissue", COMPARED, "", "target", 1, IN),
    ]
    for task, out in (("expression", 3), ("mutation", 15)):
        found += [
            (task, SHEET, "", "patient", patients + 1, IN),
            (task, COMPARED, "no_label_row", "patient", out, OUT),
            (task, COMPARED, "", "patient", patients - out, IN),
            (task, COMPARED, "", "target", 24, IN),
        ]
    names = ("task", "step", "code", "unit", "n", "kind")
    return [dict(zip(names, row, strict=True)) for row in found]


def _costs(slides: int) -> list[dict[str, object]]:
    return [
        {
            "stage": stage,
            "rule": rule,
            "jobs": slides,
            "max_rss_mb": 100 * (i + 1),
            "cpu_hours": 2.0 / (1 + i),
            "gpu_hours": 0.5 if rule == "fine_tune" else 0.0,
        }
        for i, (rule, stage) in enumerate([*STAGES.items()][7:27])
    ]


def _history() -> list[dict[str, object]]:
    """Return a history as fine-tuning writes it: epoch 0 is the state before the step."""
    found: list[dict[str, object]] = []
    for step, start, length in ((1, 2.2, 12), (2, 0.22, 5)):
        for epoch in range(length + 1):
            loss, before = start / (1 + epoch), epoch == 0
            found.append(
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
    return found
