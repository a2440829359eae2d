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

from .. import __version__
from ..core.files import file_digest, written_whole
from ..study.parameters import FineTuningParameters
from .history import Row, best_epoch, trained_epochs

PACKAGES = ("keras", "tensorflow", "tensorflow-cpu", "numpy")


def write_card(
    path: str | Path,
    *,
    name: str,
    simulated: bool,
    files: Mapping[str, str | Path],
    weights: Mapping[str, str],
    dataset: str,
    dataset_digest: str,
    classes: Sequence[str],
    counts: Mapping[str, Sequence[int]],
    parameters: FineTuningParameters,
    seed: int,
    input_px: int,
    precision: str,
    history: Sequence[Row],
) -> None:
    """Write the card as Markdown.

    Parameters
    ----------
    path : str or Path
        The file to write.
    name : str
        The extractor.
    simulated : bool
        Whether the patches were painted, which the card says first.
    files : mapping of str to path
        The files that the training wrote, by what they are; the card lists their digests.
    weights : mapping
        `kind`, `source` and `digest` of the weights that the training started from.
    dataset, dataset_digest : str
        What it was trained on, and the digest of its patch store.
    classes : sequence of str
        The dataset's classes.
    counts : mapping of part to sequence of int
        Patches per class of each part (training, validation).
    parameters : FineTuningParameters
        The recipe.
    seed, input_px : int
        Of this training.
    precision : str
        Keras's policy, such as ``float32``.
    history : sequence of Row
        The epochs.
    """
    parts = list(counts)
    lines = [
        f"# {name}",
        "",
        *(["**Simulated data.** This network was trained on painted patches.", ""] * simulated),
        f"Xception, fine-tuned in two steps. It takes RGB patches (n, {input_px}, {input_px}, 3) "
        "as uint8, includes their preprocessing, and returns features (n, 2048) as float32. Made "
        f"by histotransfer {__version__} to compare feature extractors in research, not for "
        "diagnosis.",
        "",
        "## Data",
        "",
        f"{dataset}, SHA-256 of the patch store {dataset_digest}.",
        "",
        *_table(
            ["class", *parts],
            [
                *([label, *(counts[part][i] for part in parts)] for i, label in enumerate(classes)),
                ["all", *(sum(counts[part]) for part in parts)],
            ],
        ),
        "",
        "Training started from {kind} weights ({source}, digest {digest}).".format(**weights),
        "",
        "## Parameters",
        "",
        *_table(["parameter", "value"], [*_named(parameters.as_params()), ("seed", seed)]),
        "",
        "## Result",
        "",
        "Each step keeps its epoch of lowest validation loss (with smoothed labels, if any).",
        "",
        *_table(
            ["step", "epochs", "kept epoch", "validation loss", "validation accuracy"],
            [_kept(history, step) for step in (1, 2)],
        ),
        "",
        "The accuracy is optimistic, because the validation part chose the epochs, and because "
        "patches of one patient may be in both parts: public patch datasets name no patients.",
        "",
        "## Files and versions",
        "",
        *_table(
            ["file", "SHA-256"],
            [[f"{what} `{Path(file).name}`", file_digest(file)] for what, file in files.items()],
        ),
        "",
        f"Computed in {precision} by {', '.join(_versions())}.",
        "",
    ]
    with written_whole(path) as partial:
        partial.write_text("\n".join(lines), encoding="utf-8")


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


def _table(head: Sequence[str], rows: Iterable[Sequence[object]]) -> list[str]:
    return [
        "| " + " | ".join(map(str, cells)) + " |" for cells in (head, ["---"] * len(head), *rows)
    ]
