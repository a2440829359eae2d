"""Fine-tuned features against off-the-shelf ones, on real patches that fine-tuning never saw.

`make bench-evidence PATCHES=folder`. The folder has one sub-folder of patches per class. First,
40 % of each class are held out. The network is fine-tuned on the rest with the recipe of a config,
and both feature sets are compared in repeated 5-fold cross-validation on the held-out patches. All
of it is the code of a study, from packing the patches to the comparison.
"""

from __future__ import annotations

import argparse
import tempfile
from pathlib import Path

import numpy as np
import pandas as pd
import yaml

from histotransfer.core.tables import read_table
from histotransfer.evaluation import comparison, cross_validation, scores, splits
from histotransfer.evaluation.kinds import ALL
from histotransfer.evaluation.statistics import OK
from histotransfer.evaluation.task_results import read_results
from histotransfer.features import extraction
from histotransfer.labels import task_labels
from histotransfer.models import fine_tuning, initial_weights, xception
from histotransfer.models.fine_tuning import FineTunedFiles
from histotransfer.models.history import TRAINING
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

DEFAULTS = Path(__file__).resolve().parents[1] / "workflow/defaults.yaml"
HELD_OUT = 0.4
EXTRACTORS = ("IMGNET", "FTX")
COMPUTE = ComputeParameters(gpu="prefer", precision="auto", jit="auto")
LABELS = LabelParameters("tissue", {}, "all", "none")
PREDICTOR = PredictorParameters("tissue", "logistic", {"C": [1.0]})


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
    recipe: FineTuningParameters,
    split: int,
    seed: int,
    inner: int | None = None,
    px: int = 224,
    repeats: int = 10,
    threads: int = 0,
) -> pd.Series:
    """Return the row of the comparison of accuracies on the held-out patches.

    With `inner`, a seed, the held-out patches of the split stay untouched, and the rest is divided
    once more. This is how to choose a recipe.
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
            encoding=EncodingParameters("jpeg", 95),
        )
    xception.write_imagenet_extractor(
        weights_path, work / "IMGNET.keras", input_px=px, extractor="IMGNET"
    )
    fine_tuning.fine_tune(
        weights_path,
        work / "training.h5",
        FineTunedFiles(
            extractor=work / "FTX.keras",
            classifier=work / "FTX.classifier.keras",
            history=work / "FTX.training.tsv",
            card=work / "FTX.card.md",
        ),
        work / "checkpoints",
        extractor="FTX",
        parameters=recipe,
        input_px=px,
        compute=COMPUTE,
        seed=seed,
        threads=threads,
    )
    for name in EXTRACTORS:
        extraction.extract(
            work / f"{name}.keras",
            {"evaluation": work / "evaluation.h5"},
            {"evaluation": work / f"{name}.h5"},
            extractor=name,
            parameters=ExtractionParameters(16, "float16", COMPUTE),
            code="",
            threads=threads,
        )
        _cross_validate(work, name, repeats)
    files = {
        "labels": work / "labels.tsv",
        "splits": work / "splits.tsv",
        "scores": {name: work / f"{name}.scores.tsv" for name in EXTRACTORS},
        "predictions": {name: [work / f"{name}.cv.h5"] for name in EXTRACTORS},
    }
    results = read_results(files, "tissue", "tissue", StatisticsParameters(0.01, 0.05, 0), 0)
    return comparison.compare(results).set_index("target").loc[ALL]


def _cross_validate(work: Path, name: str, repeats: int) -> None:
    labelled, drawn, out = work / "labels.tsv", work / "splits.tsv", work / f"{name}.cv.h5"
    task_labels.write_labels(
        LABELS,
        labelled,
        work / "excluded.tsv",
        work / "flow.tsv",
        patches=work / f"{name}.h5",
    )
    splits.write_splits(
        labelled,
        drawn,
        task="tissue",
        kind="tissue",
        parameters=SplitParameters(folds=5, repeats=repeats, group_by="patient", seed=0),
        of_patches=True,
    )
    cross_validation.run_block(
        work / f"{name}.h5",
        labelled,
        drawn,
        out,
        parameters=PREDICTOR,
        task="tissue",
        extractor=name,
        repeats=range(repeats),
        seed=0,
        threads=1,
    )
    scores.write_scores(
        [out],
        labelled,
        drawn,
        work / f"{name}.scores.tsv",
        kind="tissue",
        task="tissue",
        extractor=name,
    )


def main() -> None:
    """Evaluate some splits and print the history and the result of each."""
    options = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    options.add_argument("patches", type=Path)
    options.add_argument("--config", type=Path, default=Path("config/config.yaml"))
    options.add_argument("--weights", type=Path, default=Path("resources/xception_imagenet.h5"))
    options.add_argument("--splits", type=int, nargs="+", default=[0, 1, 2])
    options.add_argument("--inner", type=int, help="seed that divides the training part once more")
    options.add_argument("--px", type=int, default=224)
    options.add_argument("--repeats", type=int, default=10)
    options.add_argument("--threads", type=int, default=0)
    chosen = options.parse_args()
    if not chosen.weights.exists():
        initial_weights.fetch(chosen.weights, source="auto", seed=0)
    config = complete(yaml.safe_load(chosen.config.read_text()), DEFAULTS)["finetune"]
    for split in chosen.splits:
        with tempfile.TemporaryDirectory() as work:
            found = evaluate(
                chosen.patches,
                chosen.weights,
                Path(work),
                recipe=FineTuningParameters.of(config),
                split=split,
                seed=config["seeds"][0] + split,
                inner=chosen.inner,
                px=chosen.px,
                repeats=chosen.repeats,
                threads=chosen.threads,
            )
            history = read_table(Path(work) / "FTX.training.tsv", TRAINING)
        print(history.to_string(index=False))
        interval = f"95 % interval {found['ci_low']:+.3f} to {found['ci_high']:+.3f}"
        print(
            f"split {split}: off the shelf {found['baseline_mean']:.3f}, fine-tuned "
            f"{found['extractor_mean']:.3f}, difference {found['delta']:+.3f}, "
            f"{interval if found['status'] == OK else found['status']}",
            flush=True,
        )


if __name__ == "__main__":
    main()
