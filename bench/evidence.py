"""Fine-tuned features beside off-the-shelf ones, on real patches that fine-tuning never saw.

`make bench-evidence PATCHES=folder`. The folder holds one sub-folder of patches per class. Of each
class 40 % are held out before anything else; the network is fine-tuned on the rest by the recipe of
a config, and both feature sets meet in repeated 5-fold cross-validation on the held-out patches,
by the code of a study, from packing the patches to the corrected resampled t-test.
"""

from __future__ import annotations

import argparse
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import numpy.typing as npt
import yaml

from histotransfer.core.tables import read_table
from histotransfer.evaluation import cross_validation, splits
from histotransfer.evaluation.statistics import Difference, compare
from histotransfer.features import extraction
from histotransfer.labels import task_labels
from histotransfer.models import fine_tuning, initial_weights, xception
from histotransfer.patches import from_folders

HELD_OUT = 0.4
TASK = {"kind": "tissue", "predictor": "logistic", "inverse_penalty": 1.0}


def hold_out(folder: Path, out: Path, seed: int) -> None:
    """Divide a folder of patches, class by class, into ``out/training`` and ``out/evaluation``."""
    files = [file for of_class in sorted(folder.iterdir()) for file in sorted(of_class.iterdir())]
    names = [file.parent.name for file in files]
    codes = np.unique(names, return_inverse=True)[1].astype(np.int16)
    parts = fine_tuning.split(codes, HELD_OUT, seed)
    for part, rows in zip(("training", "evaluation"), parts, strict=True):
        for row in rows.tolist():
            target = out / part / names[row] / files[row].name
            target.parent.mkdir(parents=True, exist_ok=True)
            target.symlink_to(files[row].resolve())


def evaluate(
    folder: Path,
    weights_path: Path,
    work: Path,
    *,
    params: Mapping[str, Any],
    split: int,
    seed: int,
    inner: int | None = None,
    px: int = 224,
    repeats: int = 10,
    threads: int = 0,
) -> tuple[float, float, Difference]:
    """Return both accuracies on the held-out patches, and their difference with its interval.

    With `inner` the held-out patches of the split are not touched at all: the rest is divided once
    more, by that seed, which is how to choose a recipe.
    """
    if inner is None:
        hold_out(folder, work, split)
    else:
        hold_out(folder, work / "outer", split)
        hold_out(work / "outer/training", work, inner)
    for part in ("training", "evaluation"):
        from_folders.pack_dataset(
            work / part,
            work / f"{part}.h5",
            dataset=part,
            patch_px=px,
            codec="jpeg",
            jpeg_quality=95,
        )
    xception.write_imagenet_extractor(
        weights_path, work / "IMGNET.keras", input_px=px, extractor="IMGNET"
    )
    fine_tuning.finetune(
        weights_path,
        work / "training.h5",
        extractor_path=work / "FTX.keras",
        classifier_path=work / "FTX.classifier.keras",
        history_path=work / "FTX.training.tsv",
        card_path=work / "FTX.card.md",
        checkpoint_dir=work / "checkpoints",
        input_px=px,
        params=params,
        mixed_precision=True,
        seed=seed,
        threads=threads,
    )
    accuracy = {}
    for name in ("IMGNET", "FTX"):
        extraction.extract(
            work / f"{name}.keras",
            [work / "evaluation.h5"],
            [work / f"{name}.h5"],
            extractor=name,
            batch_size=16,
            dtype="float16",
            code="",
            threads=threads,
        )
        accuracy[name] = _accuracy(work, name, repeats)
    difference = compare(accuracy["FTX"] - accuracy["IMGNET"], folds=5, rope=0.01)
    return float(accuracy["IMGNET"].mean()), float(accuracy["FTX"].mean()), difference


def _accuracy(work: Path, name: str, repeats: int) -> npt.NDArray[np.float64]:
    """Return the accuracy of each fold of each repeat."""
    labelled, drawn, out = work / "labels.tsv", work / "splits.tsv", work / f"{name}.cv.h5"
    task_labels.write_labels(
        TASK,
        labelled,
        work / "excluded.tsv",
        work / "flow.tsv",
        cohort_table=None,
        dataset_features=work / f"{name}.h5",
    )
    splits.write_splits(
        labelled, drawn, kind="tissue", folds=5, repeats=repeats, seed=0, preserve="none"
    )
    cross_validation.run_block(
        work / f"{name}.h5",
        labelled,
        drawn,
        out,
        task=TASK,
        task_name="tissue",
        extractor=name,
        repeats=range(repeats),
        seed=0,
        threads=1,
    )
    with h5py.File(out) as store:
        predicted = store["predictions"][:].argmax(axis=2)
        samples, classes = store["sample"].asstr()[:], store["target"].asstr()[:].tolist()
    truth = read_table(labelled, sample="str", tissue="str").set_index("sample")["tissue"]
    right = predicted == [classes.index(label) for label in truth[samples]]
    table = read_table(drawn, sample="str")
    fold = table.pivot(index="repeat", columns="sample", values="fold")[samples].to_numpy()
    return np.array(
        [right[r, fold[r] == k].mean() for r in range(repeats) for k in range(5)], dtype=np.float64
    )


def main() -> None:
    """Evaluate some splits and print a line for each."""
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("patches", type=Path)
    options.add_argument("--config", type=Path, default=Path("config/config.yaml"))
    options.add_argument("--weights", type=Path, default=Path("resources/xception_imagenet.h5"))
    options.add_argument("--splits", type=int, nargs="+", default=[0, 1, 2])
    options.add_argument("--inner", type=int, help="divide the training part once more, to tune")
    options.add_argument("--threads", type=int, default=0)
    chosen = options.parse_args()
    if not chosen.weights.exists():
        initial_weights.fetch(chosen.weights, source="auto", seed=0)
    params = yaml.safe_load(chosen.config.read_text())["finetune"]
    seed = params.pop("seeds")[0]
    for split in chosen.splits:
        with tempfile.TemporaryDirectory() as work:
            base, tuned, found = evaluate(
                chosen.patches,
                chosen.weights,
                Path(work),
                params=params,
                split=split,
                seed=seed + split,
                inner=chosen.inner,
                threads=chosen.threads,
            )
            history = read_table(Path(work) / "FTX.training.tsv")
        print(history.to_string(index=False))
        print(
            f"split {split}: off the shelf {base:.3f}, fine-tuned {tuned:.3f}, difference "
            f"{found.delta:+.3f}, 95 % interval {found.ci_low:+.3f} to {found.ci_high:+.3f}",
            flush=True,
        )


if __name__ == "__main__":
    main()
