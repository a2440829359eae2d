"""Cross-validation beside scikit-learn's pipelines, and a whole study's time and memory.

`make bench-crossval`. On simulated features of the published study's size (455 patients, 2,048
features, 770 genes, 10 mutations; 7,180 patches of nine classes), with the penalties of
config/config.yaml:

- Training folds in turn, the same fold, inner folds and penalties for both: a pipeline
  (StandardScaler, then RidgeCV or LogisticRegressionCV) for each target, of which some are fitted
  and counted for all, and RidgeCV for all genes at once. The largest difference of the predictions
  is printed; scikit-learn's binary fits stop at its own tolerance, its multinomial ones at 1e-9,
  since its own leaves probabilities that are some tenths away. Where the best penalty is an end of
  the grid, ours looks beyond it, so that predictions differ.
- All of 50 x 5 for three tasks and two extractors: splits, cross-validation, scores and comparison
  by the library's own functions, each job in a process of its own. Of the cross-validation some
  repeats are run and counted for all of them, on as many cores as there are, at most two.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import numpy.typing as npt
import pandas as pd
import yaml
from sklearn.linear_model import LogisticRegression, LogisticRegressionCV, RidgeCV
from sklearn.model_selection import PredefinedSplit
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from histotransfer.core.hdf5 import create_store
from histotransfer.evaluation.comparison import SCHEMAS, write_comparison
from histotransfer.evaluation.cross_validation import Drawn, out_of_fold, run_block
from histotransfer.evaluation.predictors.binary_logistic import BinaryLogistic
from histotransfer.evaluation.predictors.multinomial_logistic import MultinomialLogistic
from histotransfer.evaluation.predictors.predictor import Draws
from histotransfer.evaluation.predictors.ridge import Ridge
from histotransfer.evaluation.scores import write_scores
from histotransfer.evaluation.splits import write_splits
from histotransfer.labels.files import TaskLabels, write_labels_file
from histotransfer.study.parameters import SplitParameters, StatisticsParameters
from histotransfer.study.tasks import Task
from ratios import report

CLASSES = 9
FOLDS, REPEATS, EXTRACTORS = 5, 50, ("IMGNET-2048", "FTX-2048")
LIMIT_S, LIMIT_MB, CORES = 30 * 60, 2000, 2
CONFIG = Path(__file__).parent.parent / "config/config.yaml"

Array = npt.NDArray[np.float64]


@dataclass(frozen=True)
class Size:
    """How large a study is."""

    patients: int = 455
    features: int = 2048
    genes: int = 770
    mutations: int = 10
    patches: int = 7180


PUBLISHED = Size()
TINY = Size(patients=60, features=40, genes=8, mutations=3, patches=180)
"""To try whether the bench runs."""


def deep_features(rng: np.random.Generator, latent: Array, width: int) -> Array:
    """Draw features as a network's pooled ones are: few factors, skewed, on unequal scales."""
    loadings = rng.standard_normal((latent.shape[1], width))
    noise = rng.standard_normal((len(latent), width))
    return np.maximum(latent @ loadings + noise, -1) * rng.uniform(0.01, 1, width)


def patients(rng: np.random.Generator, size: Size) -> tuple[Array, Array, Array]:
    """Draw what drives the patients' features, their expression and their mutations."""
    latent = rng.standard_normal((size.patients, 30)) * np.geomspace(2, 0.2, 30)
    genes = latent @ rng.standard_normal((30, size.genes)) * 0.4
    genes += rng.normal(0, 2, (size.patients, size.genes))
    drive = latent[:, : size.mutations] / latent[:, : size.mutations].std(axis=0) * 0.7
    drive += rng.standard_normal((size.patients, size.mutations))
    share = np.linspace(0.09, 0.5, size.mutations)
    return (
        latent,
        genes,
        (drive > [np.quantile(d, 1 - s) for d, s in zip(drive.T, share, strict=True)]) * 1.0,
    )


def patches(rng: np.random.Generator, size: Size) -> tuple[Array, npt.NDArray[np.int64]]:
    """Draw what drives the patches' features, and their classes."""
    codes = np.sort(rng.integers(CLASSES, size=size.patches))
    centres = rng.standard_normal((CLASSES, 30)) * 0.85
    return centres[codes] + rng.standard_normal((size.patches, 30)), codes


def contest(
    name: str,
    target: float,
    ours: Callable[[], Array],
    theirs: Callable[[], Array],
    rounds: int,
    share: float,
) -> None:
    """Time both in turns; theirs, a `share` of the work, is counted for all of it."""
    seconds: dict[str, list[float]] = {"ours": [], "theirs": []}
    for _ in range(rounds):
        for who, run in (("ours", ours), ("theirs", theirs)):
            started = time.perf_counter()
            values = run()
            seconds[who].append(time.perf_counter() - started)
            if who == "ours":
                mine = values
    away = np.nanmax(np.abs(mine[:, : values.shape[1]] - values))
    us, them = min(seconds["ours"]), min(seconds["theirs"]) / share
    print(f"  {name}: {us:.3f} s beside {them:.2f} s, greatest difference {away:.1e}")
    report(f"crossval-{name}", them / us, target)


def contests(tasks: dict[str, Any], rounds: int, size: Size = PUBLISHED) -> None:
    """Compare a training fold of each task with scikit-learn."""
    rng = np.random.default_rng(0)
    latent, genes, mutated = patients(rng, size)
    x = deep_features(rng, latent, size.features)
    test = np.arange(size.patients) % FOLDS == 0
    alphas, ladder = tasks["expression"]["alphas"], tasks["mutation"]["C"]
    draws = Draws(seed=0, repeat=0, fold=0)

    def ridge() -> Array:
        return Ridge(alphas).fit(x[~test], genes[~test], draws).predict(x[test])

    def their_ridge(columns: int) -> Array:
        return np.column_stack(
            [
                make_pipeline(StandardScaler(), RidgeCV(alphas)).fit(x[~test], y).predict(x[test])
                for y in genes[~test, :columns].T
            ]
        )

    def their_ridge_at_once() -> Array:
        model = make_pipeline(StandardScaler(), RidgeCV(alphas, alpha_per_target=True))
        return np.asarray(model.fit(x[~test], genes[~test]).predict(x[test]))

    def logistic() -> Array:
        return BinaryLogistic(ladder).fit(x[~test], mutated[~test], draws).predict(x[test])

    def their_logistic(columns: list[int]) -> Array:
        models = [
            make_pipeline(
                StandardScaler(),
                LogisticRegressionCV(
                    Cs=ladder, cv=PredefinedSplit(draws.inner_folds(mutated[~test, j])),
                    scoring="neg_log_loss", l1_ratios=(0.0,), use_legacy_attributes=False,
                    max_iter=10_000,
                ),
            ).fit(x[~test], mutated[~test, j])
            for j in columns
        ]  # fmt: skip
        return np.column_stack([model.predict_proba(x[test])[:, 1] for model in models])

    share = 4 / size.genes
    contest("expression", 100, ridge, lambda: their_ridge(4), rounds, share)
    contest("expression/all-genes-at-once", 1, ridge, their_ridge_at_once, rounds, 1)
    share = 3 / size.mutations
    contest("mutation", 10, logistic, lambda: their_logistic([0, 1, 2]), rounds, share)

    latent, codes = patches(rng, size)  # about 98 % of them are told rightly
    x = deep_features(rng, latent, size.features)
    fold_of = np.arange(size.patches) % FOLDS
    test = fold_of == 0
    truth, c = np.eye(CLASSES)[codes], tasks["tissue"]["C"]
    predictor = MultinomialLogistic([c]).prepared(x)  # once for all repeats of a job

    def multinomial() -> Array:
        return out_of_fold(predictor, x, truth, Drawn(fold_of, FOLDS, 0, 0))[0]

    def their_multinomial() -> Array:
        # The loosest tolerance at which the probabilities are within 1e-4 of the minimum's.
        model = make_pipeline(StandardScaler(), LogisticRegression(C=c, tol=1e-9, max_iter=10_000))
        fitted = np.full(truth.shape, np.nan)
        fitted[test] = model.fit(x[~test], codes[~test]).predict_proba(x[test])
        return fitted

    contest("tissue", 1, multinomial, their_multinomial, 1, 1 / FOLDS)


def write_study(folder: Path, size: Size) -> None:
    """Write the features and labels of three tasks under two extractors."""
    rng = np.random.default_rng(1)
    text = h5py.string_dtype()
    latent, genes, mutated = patients(rng, size)
    names = [f"P{i:04d}" for i in range(size.patients)]
    write_labels(folder, "expression", names, labelled("G", genes))
    write_labels(folder, "mutation", names, labelled("M", mutated.astype(int)))
    for extractor in EXTRACTORS:
        attrs: dict[str, Any] = {"extractor": extractor}
        with create_store(folder / f"patients.{extractor}.h5", "pooled/1", attrs) as store:
            store["features"] = deep_features(rng, latent, size.features).astype("f4")
            store.create_dataset("patient", data=np.array(names, object), dtype=text)
    latent, codes = patches(rng, size)
    classes = [f"CLASS{i}" for i in range(CLASSES)]
    names = [f"{classes[code]}/{i:05d}.tif" for i, code in enumerate(codes)]
    write_labels(folder, "tissue", names, {"class": [name[:6] for name in names]})
    for extractor in EXTRACTORS:
        attrs = {"classes": classes, "extractor": extractor}
        with create_store(folder / f"patches.{extractor}.h5", "features/1", attrs) as store:
            store["features"] = deep_features(rng, latent, size.features).astype("f2")
            store["labels"] = codes
            store.create_dataset("names", data=np.array(names, object), dtype=text)


def labelled(letter: str, values: npt.NDArray[Any]) -> dict[str, Any]:
    """Name the targets."""
    return {f"{letter}{i:03d}": column for i, column in enumerate(values.T)}


def write_labels(folder: Path, task: str, names: list[str], values: dict[str, Any]) -> None:
    """Write a labels file in which each sample is its own group."""
    index = pd.Index(names, name="sample")
    labels = TaskLabels(index.to_series().rename("group"), pd.DataFrame(values, index=index))
    write_labels_file(labels, folder / f"{task}.labels.tsv")


def job(step: str, folder: Path, task: str, extractor: str, repeats: int) -> None:
    """Do the work of one rule and print its peak memory."""
    config = yaml.safe_load(CONFIG.read_text())
    tasks = config["tasks"]
    labels, splits = folder / f"{task}.labels.tsv", folder / f"{task}.splits.tsv"
    cv = folder / f"{task}.{extractor}.h5"
    if step == "draw":
        drawn = SplitParameters(FOLDS, REPEATS, "patient", seed=0)
        of_patches = task == "tissue"
        write_splits(labels, splits, task=task, kind=task, parameters=drawn, of_patches=of_patches)
    elif step == "validate":
        features = folder / f"{'patches' if task == 'tissue' else 'patients'}.{extractor}.h5"
        parameters = Task.from_config(task, tasks[task], {}).predictor
        run_block(
            features, labels, splits, cv, parameters=parameters, task=task, extractor=extractor,
            repeats=range(repeats), seed=0, threads=1,
        )  # fmt: skip
    elif step == "score":
        write_scores(
            [cv], labels, splits, folder / f"{task}.{extractor}.tsv",
            kind=task, task=task, extractor=extractor,
        )  # fmt: skip
    else:
        files = {
            t: {
                "labels": folder / f"{t}.labels.tsv",
                "splits": folder / f"{t}.splits.tsv",
                "scores": {e: folder / f"{t}.{e}.tsv" for e in EXTRACTORS},
                "predictions": {e: [folder / f"{t}.{e}.h5"] for e in EXTRACTORS},
            }
            for t in tasks
        }
        write_comparison(
            files, {t: t for t in tasks}, StatisticsParameters(0.01, 0.05, seed=0),
            {name: folder / f"tables.{name}.tsv" for name in SCHEMAS},
        )  # fmt: skip
    # Not getrusage: its maximum would count the process that started this one.
    status = Path("/proc/self/status").read_text()
    print(json.dumps({"mb": int(status.partition("VmHWM:")[2].split()[0]) * 1024 / 1e6}))


def whole_study(tasks: list[str], repeats: dict[str, int], size: Size) -> None:
    """Run every stage and print the time of all of it, and the greatest memory of a job."""
    cores = min(CORES, len(os.sched_getaffinity(0)))
    peaks: dict[str, float] = {}

    def start(step: str, task: str = "-", extractor: str = "-") -> None:
        command = [sys.executable, __file__, "--job", step, str(folder), task, extractor]
        done = subprocess.run(
            [*command, str(repeats.get(task, 0))], check=True, stdout=subprocess.PIPE, text=True
        )
        name = f"{step}/{task}" if task != "-" else step
        peaks[name] = max(peaks.get(name, 0), json.loads(done.stdout)["mb"])

    def side_by_side(step: str, task: str) -> float:
        """Return the time on two cores of one task's jobs, one per extractor."""
        started = time.perf_counter()
        with ThreadPoolExecutor(cores) as pool:
            list(pool.map(lambda extractor: start(step, task, extractor), EXTRACTORS))
        return (time.perf_counter() - started) * cores / CORES

    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        write_study(folder, size)
        total = 0.0
        for task in tasks:
            started = time.perf_counter()
            start("draw", task)
            spent = {"draw": (time.perf_counter() - started) / CORES}
            for step in ("validate", "score"):
                spent[step] = side_by_side(step, task) * REPEATS / repeats[task]
            total += sum(spent.values())
            shown = ", ".join(f"{step} {seconds:.0f} s" for step, seconds in spent.items())
            print(f"  {task}, from {repeats[task]} of {REPEATS} repeats: {shown}", flush=True)
        started = time.perf_counter()
        start("compare")
        compared = time.perf_counter() - started
    # One job on one core, whose time is that of the genes' predictions.
    total += compared * REPEATS / repeats["expression"]
    print(f"  compare {compared:.0f} s on {repeats['expression']} repeats of genes; {cores} cores")
    report(f"crossval-whole/{CORES}-cores-{LIMIT_S}s", LIMIT_S / total, 1)
    for name, mb in peaks.items():
        print(f"  {name}: {mb:.0f} MB")
    report(f"crossval-memory/{LIMIT_MB}MB", LIMIT_MB / max(peaks.values()), 1)


def main() -> None:
    """Run the bench."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--repeats", type=int, default=10, help="of the patients' tasks")
    parser.add_argument("--tissue-repeats", type=int, default=2)
    parser.add_argument("--tiny", action="store_true", help="try whether the bench runs")
    parser.add_argument("--job", nargs=5, metavar=("STEP", "FOLDER", "TASK", "EXTRACTOR", "N"))
    options = parser.parse_args()
    if options.job:
        step, folder, task, extractor, repeats = options.job
        job(step, Path(folder), task, extractor, int(repeats))
        return
    tasks = yaml.safe_load(CONFIG.read_text())["tasks"]
    affinity = os.sched_getaffinity(0)
    os.sched_setaffinity(0, {min(affinity)})
    size = TINY if options.tiny else PUBLISHED
    contests(tasks, options.rounds, size)
    os.sched_setaffinity(0, affinity)
    repeats = dict.fromkeys(tasks, options.repeats) | {"tissue": options.tissue_repeats}
    whole_study(list(tasks), repeats, size)


if __name__ == "__main__":
    main()
