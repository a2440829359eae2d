"""From labelled patches to a patch store."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import numpy.typing as npt
from PIL import Image

from ..core.errors import HistotransferError
from ..core.hdf5 import create_store
from ..imaging.codecs import decode, encode
from ..study.parameters import EncodingParameters
from .fingerprints import fingerprint, pixel_digest
from .labelled import LabelledPatches, patches_by_folder, patches_by_table
from .names import PATCH_NAMES, write_notes
from .store import append_images, create_patch_store

IMAGE_FORMATS = ("TIFF", "PNG", "JPEG")
"""The formats that are read, whatever a file's suffix: Pillow would hand PostScript to
Ghostscript."""

MAX_IMAGE_PX = 2**24
"""An image with more pixels is not a patch; it is refused before it is decoded."""

PLAIN_MODES = {"1", "L", "P", "RGB", "CMYK", "YCbCr"}


def pack_dataset(
    folder: str | Path | None,
    store_path: str | Path,
    *,
    dataset: str,
    patch_px: int,
    encoding: EncodingParameters,
    patients: str | Path | None = None,
    labels: str | Path | None = None,
    images: bool = True,
) -> None:
    """Pack the labelled patches of a dataset into a patch store.

    Images of another size are area-resampled to `patch_px`, of another colour mode converted; both
    are counted in the attributes `n_resized` and `n_converted`. A JPEG that needs neither is stored
    as it is when the codec is JPEG: it is not compressed a second time. Each image has a digest and
    a fingerprint (`fingerprints`) of its pixels before they are compressed; where their patients
    are known, these are its `groups`.

    Parameters
    ----------
    folder : str or Path, optional
        Of the images; without it, `labels` is all that is known.
    store_path, dataset, patch_px, encoding
        The file to write, whose it is, and how.
    patients : str or Path, optional
        A table of the patient of each patch of a folder with one sub-folder per class.
    labels : str or Path, optional
        A table of patches, classes and, optionally, patients; then sub-folders are no classes.
    images : bool
        False where no network runs on the dataset: then names, labels and groups alone are stored
        (`PATCH_NAMES`), and no image is read.

    Raises
    ------
    HistotransferError
        As `patches_by_folder` and `patches_by_table`, or if an image is broken.
    """
    if labels is not None:
        patches = patches_by_table(labels, folder)
    elif folder is not None:
        patches = patches_by_folder(folder, patients)
    else:
        raise HistotransferError(
            f"config: datasets.{dataset}", "has neither images nor labels", "Give one of the two"
        )
    attrs: dict[str, Any] = {"dataset": dataset, "classes": patches.classes}
    if not images:
        with create_store(store_path, PATCH_NAMES, attrs) as store:
            _describe(store, patches)
        return
    counts = {"n_resized": 0, "n_converted": 0}
    digests, fingerprints = [], []
    attrs |= {"patch_px": patch_px, **encoding.as_params()}
    with create_patch_store(store_path, attrs) as store:

        def stored() -> Iterator[npt.NDArray[np.uint8]]:
            for file in patches.files:
                encoded, pixels, resized, converted = _load(file, patch_px, encoding)
                counts["n_resized"] += resized
                counts["n_converted"] += converted
                digests.append(pixel_digest(pixels))
                fingerprints.append(fingerprint(pixels))
                yield encoded

        append_images(store, stored())
        _describe(store, patches)
        store["digests"], store["fingerprints"] = np.array(digests), np.array(fingerprints)
        store.attrs.update(counts)


def _describe(store: h5py.File, patches: LabelledPatches) -> None:
    store["labels"] = np.array(patches.labels, np.int16)
    store["names"] = patches.names
    if patches.patients:
        store["groups"] = patches.patients
    write_notes(store, patches.notes)


def _load(
    file: Path, patch_px: int, encoding: EncodingParameters
) -> tuple[npt.NDArray[np.uint8], npt.NDArray[np.uint8], bool, bool]:
    """Return an image encoded and as pixels, and whether it was resized and converted."""
    try:
        with Image.open(file, formats=IMAGE_FORMATS) as image:
            mode, size = image.mode, image.size
            if size[0] * size[1] > MAX_IMAGE_PX:
                raise ValueError(f"{size[0]} × {size[1]} px are too many for a patch")
            image.load()
            resized, converted = size != (patch_px, patch_px), mode != "RGB"
            if encoding.codec == "jpeg" and image.format == "JPEG" and not (resized or converted):
                kept = np.frombuffer(file.read_bytes(), np.uint8)
                return kept, decode(kept), False, False
            if mode in {"RGBA", "LA", "PA"} or "transparency" in image.info:
                rgba = image.convert("RGBA")
                rgb = Image.new("RGB", size, (255, 255, 255))
                rgb.paste(rgba, mask=rgba.getchannel("A"))
            elif mode in PLAIN_MODES:
                rgb = image.convert("RGB")
            else:
                raise ValueError(f"colour mode {mode} is not an 8-bit image")
            if resized:
                rgb = rgb.resize((patch_px, patch_px), Image.Resampling.BOX)
            pixels = np.asarray(rgb)
            encoded = encode(pixels, encoding.codec, encoding.jpeg_quality)
            return encoded, pixels, resized, converted
    except Exception as error:  # of a damaged image, Pillow's decoders raise errors of any kind
        raise HistotransferError(
            file, f"cannot be read as an image ({error})", "Replace or remove this file"
        ) from error
