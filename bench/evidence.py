"""Fine-tuned features against off-the-shelf ones, on real patches that fine-tuning never saw.

`make bench-evidence PATCHES=folder`. The network is fine-tuned on 60 % of one set with the recipe
of a config. The features are then judged on the other 40 %, and on sets of other organs, listed
with the first one in bench/evidence.yaml. Each row prints

    evidence SET PROTOCOL DIFFERENCE LOW HIGH target T

the difference of the accuracies (fine-tuned minus off the shelf) with its 95 % interval, and what
LOW should be above. The protocols:

- `probe`: a classifier trained on the patches of the fine-tuning, applied to those held out;
- `few-N`: classifiers trained on N labels of each class, drawn again and again, applied to the
  patches of all other groups;
- `cv`: repeated cross-validation by groups and the comparison of a study.

Packing, training, extraction, classifiers and comparison are the code of a study. What is computed
stays in the folder `--work`, so that the next run with the same recipe only compares.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import logging
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd
import yaml
from scipy import stats

from histotransfer.core.hdf5 import open_store
from histotransfer.evaluation import comparison, cross_validation, scores, splits
from histotransfer.evaluation.kinds import ALL
from histotransfer.evaluation.predictors.multinomial_logistic import MultinomialLogistic
from histotransfer.evaluation.predictors.predictor import Draws
from histotransfer.evaluation.statistics import OK
from histotransfer.evaluation.task_results import read_results
from histotransfer.features import extraction
from histotransfer.labels import task_labels
from histotransfer.models import fine_tuning, frozen_blocks, initial_weights, xception
from histotransfer.models.fine_tuning import FineTunedFiles
from histotransfer.patches import from_folders
from histotransfer.study.config import complete
from histotransfer.study.parameters import (
    ComputeParameters,
    EncodingParameters,
    ExtractionParameters,
    FineTuningParameters,
    SplitParameters,
    StatisticsParameters,
)
from histotransfer.study.tasks import LabelParameters, PredictorParameters

HERE = Path(__file__).resolve().parent
DEFAULTS = HERE.parent / "workflow/defaults.yaml"
HELD_OUT, FOLDS = 0.4, 5
OFF_THE_SHELF, FINE_TUNED = "IMGNET", "FTX"
SHOTS, DRAWS = (2, 5, 10, 20, 50, 100), 40
COMPUTE = ComputeParameters(gpu="prefer", precision="auto", jit="auto")
LABELS = LabelParameters("tissue", {}, "all", "none")
PREDICTOR = PredictorParameters("tissue", "logistic", {"C": [1.0]})
OWN_TARGET, OTHER_TARGET = 0.05, -0.01
"""In its own organ a probe should gain five points; elsewhere nothing should be lost, and an
interval should exclude a loss of one point."""


@dataclass(frozen=True)
class PatchSet:
    """A folder with one sub-folder of patches per class."""

    name: str
    folder: str
    classes: Sequence[str] = ()
    group: str = ""

    def table(self, root: Path) -> pd.DataFrame:
        """List the patches: path below the folder, class and, if known, group."""
        folder = root / self.folder
        classes = self.classes or sorted(entry.name for entry in folder.iterdir() if entry.is_dir())
        rows = [
            {"patch": f"{name}/{file.name}", "class": name}
            for name in classes
            for file in sorted((folder / name).iterdir())
        ]
        table = pd.DataFrame(rows)
        if self.group:
            known = pd.read_csv(folder / "groups.csv", dtype=str).set_index("file")[self.group]
            table["patient"] = table["patch"].map(known)
        return table


@dataclass(frozen=True)
class Features:
    """The features of a set under both extractors, labels as numbers, and groups."""

    of: Mapping[str, npt.NDArray[np.float64]]
    labels: npt.NDArray[np.int64]
    groups: npt.NDArray[np.int64]


@dataclass(frozen=True)
class Difference:
    """A difference of accuracies with its 95 % interval."""

    value: float
    low: float
    high: float


class Evidence:
    """Files of one run, in a folder: stores of patches, networks, features, comparisons."""

    def __init__(
        self,
        work: Path,
        recipe: FineTuningParameters,
        weights: Path,
        *,
        px: int,
        seed: int,
        threads: int = 0,
    ) -> None:
        self.work, self.recipe, self.weights = work, recipe, weights
        self.px, self.seed, self.threads = px, seed, threads
        made_by = json.dumps([recipe.as_params(), seed, px], sort_keys=True)
        self.recipe_id = hashlib.sha256(made_by.encode()).hexdigest()[:8]
        work.mkdir(parents=True, exist_ok=True)

    def pack(self, name: str, table: pd.DataFrame, folder: Path) -> Path:
        """Write the patches that a table lists into a store."""
        store, listed = self.work / f"{name}.h5", self.work / f"{name}.csv"
        if not store.exists():
            table.to_csv(listed, index=False)
            from_folders.pack_dataset(
                folder,
                store,
                dataset=name,
                patch_px=self.px,
                encoding=EncodingParameters("jpeg", 95),
                labels=listed,
            )
        return store

    def networks(self, training: Path) -> dict[str, Path]:
        """Write the network off the shelf, and fine-tune it."""
        paths = {
            OFF_THE_SHELF: self.work / f"{OFF_THE_SHELF}.keras",
            FINE_TUNED: self.work / self.recipe_id / f"{FINE_TUNED}.keras",
        }
        if not paths[OFF_THE_SHELF].exists():
            xception.write_imagenet_extractor(
                self.weights, paths[OFF_THE_SHELF], input_px=self.px, extractor=OFF_THE_SHELF
            )
        if not paths[FINE_TUNED].exists():
            beside = paths[FINE_TUNED].parent
            beside.mkdir(exist_ok=True)
            frozen_blocks.write_frozen_blocks(
                self.weights,
                training,
                beside / "frozen_blocks.h5",
                parameters=self.recipe,
                input_px=self.px,
                compute=COMPUTE,
                seed=self.seed,
                threads=self.threads,
            )
            fine_tuning.fine_tune(
                self.weights,
                training,
                beside / "frozen_blocks.h5",
                FineTunedFiles(
                    extractor=paths[FINE_TUNED],
                    classifier=beside / f"{FINE_TUNED}.classifier.keras",
                    history=beside / f"{FINE_TUNED}.training.tsv",
                    card=beside / f"{FINE_TUNED}.card.md",
                ),
                beside / "checkpoint.h5",
                extractor=FINE_TUNED,
                parameters=self.recipe,
                input_px=self.px,
                compute=COMPUTE,
                seed=self.seed,
                versions_seed=self.seed,
                threads=self.threads,
            )
            (beside / "frozen_blocks.h5").unlink()
        return paths

    def extract(self, networks: Mapping[str, Path], stores: Mapping[str, Path]) -> None:
        """Write the features of all stores; those that exist are kept."""
        for name in (*networks, self.recipe_id):
            (self.work / name).mkdir(exist_ok=True)
        extraction.extract(
            networks,
            stores,
            {name: {store: self.features(name, store) for store in stores} for name in networks},
            cut=self.recipe.step2.unfreeze_from,
            parameters=ExtractionParameters(16, "float16", COMPUTE),
            code="",
            threads=self.threads,
        )

    def features(self, extractor: str, store: str) -> Path:
        """Return the file of an extractor's features of a store."""
        folder = self.recipe_id if extractor == FINE_TUNED else extractor
        return self.work / folder / f"{store}.h5"

    def read(self, store: str) -> Features:
        """Read the features of a store under both extractors."""
        found = {}
        for name in (OFF_THE_SHELF, FINE_TUNED):
            with open_store(self.features(name, store), extraction.SCHEMA, extractor=name) as file:
                found[name] = file["features"][:].astype(np.float64)
                labels = file["labels"][:].astype(np.int64)
                groups = file["groups"].asstr()[:] if "groups" in file else np.arange(len(labels))
        return Features(found, labels, np.unique(groups, return_inverse=True)[1])

    def cross_validated(self, store: str, repeats: int) -> Difference | None:
        """Compare the features of a store as a study does; None if that is not estimable."""
        folder = self.work / self.recipe_id
        labelled, drawn = folder / "labels.tsv", folder / "splits.tsv"
        task_labels.write_labels(
            LABELS,
            labelled,
            folder / "excluded.tsv",
            folder / "flow.tsv",
            patches=self.features(OFF_THE_SHELF, store),
        )
        splits.write_splits(
            labelled,
            drawn,
            task="tissue",
            kind="tissue",
            parameters=SplitParameters(folds=FOLDS, repeats=repeats, group_by="patient", seed=0),
            of_patches=True,
        )
        predictions, scored = {}, {}
        for name in (OFF_THE_SHELF, FINE_TUNED):
            predictions[name] = [folder / f"{name}.cv.h5"]
            scored[name] = folder / f"{name}.scores.tsv"
            cross_validation.run_block(
                self.features(name, store),
                labelled,
                drawn,
                predictions[name][0],
                parameters=PREDICTOR,
                task="tissue",
                extractor=name,
                repeats=range(repeats),
                seed=0,
                threads=1,
            )
            scores.write_scores(
                predictions[name],
                labelled,
                drawn,
                scored[name],
                kind="tissue",
                task="tissue",
                extractor=name,
            )
        files = {"labels": labelled, "splits": drawn, "scores": scored, "predictions": predictions}
        results = read_results(files, "tissue", "tissue", StatisticsParameters(0.01, 0.05, 0), 0)
        row = comparison.compare(results).set_index("target").loc[ALL]
        if row["status"] != OK:
            return None
        return Difference(row["delta"], row["ci_low"], row["ci_high"])


def hold_out(
    table: pd.DataFrame, seed: int, fraction: float = HELD_OUT
) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Divide a table of patches, class by class, into one to train on and one to judge by."""
    codes = np.unique(table["class"], return_inverse=True)[1].astype(np.int16)
    training, held_out = fine_tuning.split(codes, fraction, seed)
    return table.iloc[training], table.iloc[held_out]


def correct(
    features: npt.NDArray[np.float64],
    labels: npt.NDArray[np.int64],
    training: npt.NDArray[np.int64],
    tested: npt.NDArray[np.int64],
) -> npt.NDArray[np.float64]:
    """Return 1 or 0 for each tested row: whether a classifier of the training rows is right."""
    truth = np.eye(labels.max() + 1)[labels[training]]
    (c,) = PREDICTOR.grid["C"]
    model = MultinomialLogistic([c]).fit(features[training], truth, Draws(0, 0, 0))
    return (model.predict(features[tested]).argmax(axis=1) == labels[tested]).astype(np.float64)


def interval(
    gains: npt.NDArray[np.float64], groups: npt.NDArray[np.int64], confidence: float = 0.95
) -> Difference:
    """Return the mean gain with an interval over patches and over draws of training labels.

    Gains are (draws, n), NaN where a draw trains on the patch or its group. Patches of a group vary
    together, so the variance over patches is that of the groups' sums; that of the draws is added.
    Student's t has as many degrees of freedom as there are groups, less one.
    """
    of_patch, of_draw = np.nanmean(gains, axis=0), np.nanmean(gains, axis=1)
    mean, count = of_draw.mean(), groups.max() + 1
    sums = np.bincount(groups, np.where(np.isfinite(of_patch), of_patch - mean, 0), count)
    variance = count / (count - 1) * np.sum(sums**2) / len(groups) ** 2
    if len(of_draw) > 1:
        variance += of_draw.var(ddof=1) / len(of_draw)
    half = stats.t.ppf((1 + confidence) / 2, count - 1) * np.sqrt(variance)
    return Difference(float(mean), float(mean - half), float(mean + half))


def probe(trained: Features, held_out: Features) -> Difference:
    """Train on one set and test on the other, under both extractors."""
    n = len(trained.labels)
    labels = np.concatenate([trained.labels, held_out.labels])
    right = {
        name: correct(
            np.concatenate([trained.of[name], held_out.of[name]]),
            labels,
            np.arange(n),
            np.arange(n, len(labels)),
        )
        for name in trained.of
    }
    return interval((right[FINE_TUNED] - right[OFF_THE_SHELF])[None], held_out.groups)


def few_shot(data: Features, shots: int, draws: int, seed: int) -> Difference | None:
    """Train on a few patches of each class, many times; None if that leaves too few to test."""
    gains = []
    for draw in range(draws):
        training = _draw(data, shots, np.random.default_rng([seed, shots, draw]))
        tested = np.flatnonzero(~np.isin(data.groups, data.groups[training]))
        counts = np.bincount(data.labels[tested], minlength=data.labels.max() + 1)
        if len(np.unique(data.labels[training])) < len(counts) or counts.min() < shots / 2:
            return None
        gain = np.full(len(data.labels), np.nan)
        right = {name: correct(of, data.labels, training, tested) for name, of in data.of.items()}
        gain[tested] = right[FINE_TUNED] - right[OFF_THE_SHELF]
        gains.append(gain)
    return interval(np.array(gains), data.groups)


def _draw(data: Features, shots: int, random: np.random.Generator) -> npt.NDArray[np.int64]:
    """Draw patches of each class, group by group."""
    chosen = []
    for label in range(data.labels.max() + 1):
        rows = np.flatnonzero(data.labels == label)
        order = random.permutation(data.groups.max() + 1)[data.groups[rows]]
        chosen.append(rows[np.lexsort((random.random(len(rows)), order))][:shots])
    return np.concatenate(chosen)


def evaluate(
    root: Path, sets: Mapping[str, Any], evidence: Evidence, *, split: int, repeats: int, draws: int
) -> Iterator[tuple[str, str, Difference, float]]:
    """Yield set, protocol, difference and target of each row."""
    own = PatchSet(**sets["fine_tuning"])
    others = [PatchSet(**one) for one in sets["other_organs"]]
    training, held_out = hold_out(own.table(root), split)
    stores = {"training": evidence.pack("training", training, root / own.folder)}
    stores[own.name] = evidence.pack(own.name, held_out, root / own.folder)
    for other in others:
        stores[other.name] = evidence.pack(other.name, other.table(root), root / other.folder)
    evidence.extract(evidence.networks(stores["training"]), stores)
    yield own.name, "probe", probe(evidence.read("training"), evidence.read(own.name)), OWN_TARGET
    for one in (own, *others):
        data, target = evidence.read(one.name), 0.0 if one is own else OTHER_TARGET
        for shots in SHOTS:
            if found := few_shot(data, shots, draws, evidence.seed):
                yield one.name, f"few-{shots}", found, target
        if found := evidence.cross_validated(one.name, repeats):
            yield one.name, "cv", found, target


def main() -> None:
    """Judge the recipe of a config on some splits."""
    options = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    options.add_argument("patches", type=Path)
    options.add_argument("--sets", type=Path, default=HERE / "evidence.yaml")
    options.add_argument("--config", type=Path, default=Path("config/config.yaml"))
    options.add_argument("--weights", type=Path, default=Path("resources/xception_imagenet.h5"))
    options.add_argument("--work", type=Path, default=Path("results/evidence"))
    options.add_argument("--splits", type=int, nargs="+", default=[0])
    options.add_argument("--px", type=int, default=224)
    options.add_argument("--repeats", type=int, default=10)
    options.add_argument("--draws", type=int, default=DRAWS)
    options.add_argument("--threads", type=int, default=0)
    chosen = options.parse_args()
    logging.basicConfig(level=logging.INFO, format="%(message)s")
    if not chosen.weights.exists():
        initial_weights.fetch(chosen.weights, source="auto", seed=0)
    config = complete(yaml.safe_load(chosen.config.read_text()), DEFAULTS)["finetune"]
    recipe, sets = FineTuningParameters.of(config), yaml.safe_load(chosen.sets.read_text())
    for split in chosen.splits:
        evidence = Evidence(
            chosen.work / f"split{split}",
            recipe,
            chosen.weights,
            px=chosen.px,
            seed=config["seeds"][0] + split,
            threads=chosen.threads,
        )
        rows = evaluate(
            chosen.patches, sets, evidence, split=split, repeats=chosen.repeats, draws=chosen.draws
        )
        for name, protocol, found, target in rows:
            print(
                f"evidence {name} {protocol} {found.value:+.3f} {found.low:+.3f} {found.high:+.3f} "
                f"target {target:g}",
                flush=True,
            )


if __name__ == "__main__":
    main()
