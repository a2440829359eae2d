"""From a folder of labelled patches to a patch store."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
import numpy.typing as npt
from PIL import Image

from ..core.errors import HistotransferError
from ..core.user_tables import read_user_table
from ..imaging.codecs import decode, encode
from ..study.parameters import EncodingParameters
from .fingerprints import fingerprint, pixel_digest
from .store import append_images, create_patch_store

IMAGE_FORMATS = ("TIFF", "PNG", "JPEG")
"""The formats that are read, whatever a file's suffix: Pillow would hand PostScript to
Ghostscript."""

MAX_IMAGE_PX = 2**24
"""An image with more pixels is not a patch; it is refused before it is decoded."""

IMAGE_SUFFIXES = {".tif", ".tiff", ".png", ".jpg", ".jpeg"}
PLAIN_MODES = {"1", "L", "P", "RGB", "CMYK", "YCbCr"}


def pack_dataset(
    folder: str | Path,
    store_path: str | Path,
    *,
    dataset: str,
    patch_px: int,
    encoding: EncodingParameters,
    patients: str | Path | None = None,
) -> None:
    """Pack a folder of patches with one sub-folder per class into a patch store.

    Images of another size are area-resampled to `patch_px`, of another colour mode converted; both
    are counted in the attributes `n_resized` and `n_converted`. A JPEG that needs neither is stored
    as it is when the codec is JPEG: it is not compressed a second time. Each image has a digest and
    a fingerprint (`fingerprints`) of its pixels before they are compressed; where `patients` is
    given, a table with the columns file (``CLASS/name.tif``) and patient, it has its patient in
    `groups`.

    Raises
    ------
    HistotransferError
        If the folder has no classes, a class has no images, an image is broken, or the table does
        not name each patch's patient.
    """
    folder = Path(folder)
    remedy = "Give `datasets: path` a folder with one sub-folder of images per tissue class"
    if not folder.is_dir():
        raise HistotransferError(folder, "is not a folder", remedy)
    classes = sorted(
        entry.name for entry in folder.iterdir() if entry.is_dir() and entry.name[0] != "."
    )
    if not classes:
        raise HistotransferError(folder, "has no sub-folders", remedy)
    if "all" in classes:
        raise HistotransferError(
            folder / "all", "has a name that stands for all classes", "Rename it"
        )
    files = []
    for label, name in enumerate(classes):
        images = sorted(
            file
            for file in (folder / name).iterdir()
            if file.suffix.lower() in IMAGE_SUFFIXES and not file.name.startswith(".")
        )
        if not images:
            raise HistotransferError(folder / name, "has no images", remedy)
        for image in images:
            if not f"{name}/{image.name}".isprintable():
                raise HistotransferError(
                    folder / name,
                    f"has a file whose name is not printable: {image.name!r}",
                    "Rename it",
                )
        files += [(label, image) for image in images]
    names = [f"{file.parent.name}/{file.name}" for _, file in files]
    groups = [] if patients is None else patients_of(names, patients)
    attrs = {"dataset": dataset, "classes": classes, "patch_px": patch_px, **encoding.as_params()}
    counts = {"n_resized": 0, "n_converted": 0}
    digests, fingerprints = [], []
    with create_patch_store(store_path, attrs) as store:

        def stored() -> Iterator[npt.NDArray[np.uint8]]:
            for _, file in files:
                encoded, pixels, resized, converted = _load(file, patch_px, encoding)
                counts["n_resized"] += resized
                counts["n_converted"] += converted
                digests.append(pixel_digest(pixels))
                fingerprints.append(fingerprint(pixels))
                yield encoded

        append_images(store, stored())
        store["labels"] = np.array([label for label, _ in files], np.int16)
        store["names"] = names
        store["digests"], store["fingerprints"] = np.array(digests), np.array(fingerprints)
        if groups:
            store["groups"] = groups
        store.attrs.update(counts)


def patients_of(names: Sequence[str], path: str | Path) -> list[str]:
    """Return the patient of each patch, ``CLASS/name.tif``, as a table of the user's says.

    Raises
    ------
    HistotransferError
        If the table lacks a column or a patch, or names two patients of one.
    """
    columns = ["file", "patient"]
    remedy = "Give a table with the columns file (`CLASS/name.tif`) and patient, a row per patch"
    cells = read_user_table(path, remedy, columns).cells
    if lacking := [name for name in columns if name not in cells]:
        raise HistotransferError(path, f"has no column {', '.join(lacking)}", remedy)
    found: dict[str, str] = {}
    for file, patient in cells[columns].itertuples(index=False, name=None):
        if patient and found.setdefault(file, patient) != patient:
            raise HistotransferError(
                path, f"says that {file} is of {found[file]}, and of {patient}", "Keep one of them"
            )
    if unknown := [name for name in names if name not in found]:
        raise HistotransferError(
            path,
            f"names no patient of {len(unknown)} of the {len(names)} patches, such as {unknown[0]}",
            remedy,
        )
    return [found[name] for name in names]


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
