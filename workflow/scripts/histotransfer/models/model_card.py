"""The model card of a fine-tuned extractor: what it is, what it was trained on, and how.

After Mitchell et al., "Model cards for model reporting", FAT* 2019. It holds no date: the same
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
    params: Mapping[str, Any],
    seed: int,
    input_px: int,
    precision: str,
    history: Iterable[Mapping[str, float]],
) -> None:
    """Write the card as Markdown.

    Parameters
    ----------
    path : str or Path
        The file to write.
    name : str
        The extractor.
    simulated : bool
        Whether the patches were painted, which is said before anything else.
    files : mapping of str to path
        The files that the training wrote, by what they are; their digests are noted.
    weights : mapping
        `kind`, `source` and `digest` of the weights that the training started from.
    dataset, dataset_digest : str
        What it was trained on, and the digest of its patch store.
    classes : sequence of str
        The dataset's classes.
    counts : mapping of part to sequence of int
        Patches per class of each part (training, validation).
    params : mapping
        The config's ``finetune``.
    seed, input_px : int
        Of this training.
    precision : str
        Keras's policy, such as ``float32``.
    history : iterable of mapping
        The rows of the training table.
    """
    rows = list(history)
    parts = list(counts)
    lines = [
        f"# {name}",
        "",
        *(["**Simulated data.** It was trained on painted patches.", ""] * simulated),
        f"Xception, fine-tuned in two steps. It takes RGB patches (n, {input_px}, {input_px}, 3) "
        "as uint8, preprocessing inside, and gives 2048 features (n, 2048) as float32. Made by "
        f"histotransfer {__version__} for comparing feature extractors in research, not for "
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
        "Started from {kind} weights ({source}, digest {digest}).".format(**weights),
        "",
        "## Choices",
        "",
        *_table(["key", "value"], [*_flat(params), ("seed of this extractor", seed)]),
        "",
        "## Result",
        "",
        "Each step ends in its epoch of lowest validation loss, of smoothed labels where they are.",
        "",
        *_table(
            ["step", "epochs", "kept epoch", "validation loss", "validation accuracy"],
            [_kept(rows, step) for step in sorted({row["step"] for row in rows})],
        ),
        "",
        "The validation part chose the epochs, so its accuracy is optimistic. The public patch "
        "sets do not name the patient of a patch: patches of one patient may be in both parts.",
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


def _kept(rows: Sequence[Mapping[str, float]], step: float) -> list[object]:
    own = [row for row in rows if row["step"] == step and row["epoch"] > 0]
    best = min(own, key=lambda row: row["val_loss"])
    accuracy = f"{100 * best['val_accuracy']:.1f} %"
    return [int(step), len(own), int(best["epoch"]), f"{best['val_loss']:.4f}", accuracy]


def _flat(params: Mapping[str, Any], prefix: str = "") -> Iterable[tuple[str, object]]:
    for key, value in params.items():
        if isinstance(value, Mapping):
            yield from _flat(value, f"{prefix}{key}.")
        else:
            yield f"{prefix}{key}", value


def _versions() -> Iterable[str]:
    yield f"Python {platform.python_version()}"
    for package in PACKAGES:
        try:
            yield f"{package} {version(package)}"
        except PackageNotFoundError:  # TensorFlow goes by two names
            continue


def _table(head: Sequence[str], rows: Iterable[Sequence[object]]) -> list[str]:
    return [
        "| " + " | ".join(map(str, cells)) + " |" for cells in (head, ["---"] * len(head), *rows)
    ]
