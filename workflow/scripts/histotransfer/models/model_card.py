"""The model card of a fine-tuned extractor: what it is, what it was trained on, and how.

After Mitchell et al., "Model cards for model reporting", FAT* 2019. It has no date, so the same
training writes the same bytes.
"""

from __future__ import annotations

import platform
from collections.abc import Iterable, Mapping, Sequence
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from .. import __version__
from ..core.files import file_digest, written_whole
from ..study.parameters import FineTuningParameters
from .history import Row, best_epoch, trained_epochs

PACKAGES = ("keras", "tensorflow", "tensorflow-cpu", "numpy")
_CARD = """\
# {name}

{warning}Xception, fine-tuned in two steps. It takes RGB patches (n, {input_px}, {input_px}, 3) as \
uint8, includes their preprocessing, and returns features (n, 2048) as float32. Made by \
histotransfer {version} to compare feature extractors in research, not for diagnosis.

## Data

{dataset}, SHA-256 of the patch store {dataset_digest}.

{patches}

Training started from {weights[kind]} weights ({weights[source]}, digest {weights[digest]}).

## Parameters

{parameters}

## Result

Each step keeps its epoch of lowest validation loss (with smoothed labels, if any).

{steps}

The accuracy is optimistic, because the validation part chose the epochs{patients}.

## Files and versions

{files}

Computed in {precision} by {software}.
"""


_NO_PATIENTS = (
    ", and because patches of one patient may be in both parts: public patch datasets name no "
    "patients"
)


def write_card(
    path: str | Path,
    *,
    simulated: bool,
    files: Mapping[str, str | Path],
    classes: Sequence[str],
    patients_known: bool,
    training: npt.NDArray[np.int64],
    validation: npt.NDArray[np.int64],
    parameters: FineTuningParameters,
    seed: int,
    history: Sequence[Row],
    **said: object,
) -> None:
    """Write the card as Markdown.

    `files` are those that the training wrote, by what they are; the card lists their digests.
    `training` and `validation` count the patches of each class; where the patients are known, no
    patient is in both. `said` is what the card says as it
    is: `name`, `input_px`, `precision`, `dataset`, `dataset_digest`, and `weights` with the `kind`,
    `source` and `digest` of those that the training started from.
    """
    card = _CARD.format(
        **said,
        version=__version__,
        warning="**Simulated data.** This network was trained on painted patches.\n\n" * simulated,
        patches=_table(
            ["class", "training", "validation"],
            *zip(classes, training, validation, strict=True),
            ["all", training.sum(), validation.sum()],
        ),
        patients="; no patient is in both parts" if patients_known else _NO_PATIENTS,
        parameters=_table(["parameter", "value"], *_named(parameters.as_params()), ("seed", seed)),
        steps=_table(
            ["step", "epochs", "kept epoch", "validation loss", "validation accuracy"],
            *(_kept(history, step) for step in (1, 2)),
        ),
        files=_table(
            ["file", "SHA-256"],
            *([f"{what} `{Path(file).name}`", file_digest(file)] for what, file in files.items()),
        ),
        software=", ".join(_versions()),
    )
    with written_whole(path) as partial:
        partial.write_text(card, encoding="utf-8")


def _kept(history: Sequence[Row], step: int) -> list[object]:
    epochs = trained_epochs(history, step)
    best = best_epoch(epochs)
    accuracy = f"{100 * best['val_accuracy']:.1f} %"
    return [step, len(epochs), int(best["epoch"]), f"{best['val_loss']:.4f}", accuracy]


def _named(parameters: Mapping[str, Any], prefix: str = "") -> Iterable[tuple[str, object]]:
    """List parameters by name, nested ones such as ``step1.epochs``, without those left empty."""
    for name, value in parameters.items():
        if isinstance(value, Mapping):
            yield from _named(value, f"{prefix}{name}.")
        elif value != "":
            yield f"{prefix}{name}", value


def _versions() -> Iterable[str]:
    yield f"Python {platform.python_version()}"
    for package in PACKAGES:
        try:
            yield f"{package} {version(package)}"
        except PackageNotFoundError:  # TensorFlow has two packages
            continue


def _table(head: Sequence[str], *rows: Sequence[object]) -> str:
    cells = (head, ["---"] * len(head), *rows)
    return "\n".join("| " + " | ".join(map(str, row)) + " |" for row in cells)
