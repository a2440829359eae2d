"""Coverage-guided fuzzing of the readers of what comes from elsewhere: ``make fuzz``.

Each target turns bytes into an input and reads it as a job does. Whatever the bytes are, the
reader must succeed, list the slide with a reason, or raise one clear `HistotransferError`; anything
else is a finding, which the fuzzer saves as ``crash-…``. What it found is a case in the tests.

HDF5 made elsewhere is no target: of a damaged file the library itself may not return (SECURITY.md).
"""

from __future__ import annotations

import gzip
import io
import os
import shutil
import sys
import tempfile
import traceback
import zipfile
from collections.abc import Callable, Iterator
from dataclasses import replace
from inspect import unwrap
from pathlib import Path

import atheris

ROOT = Path(__file__).parents[2]
sys.path[:0] = [str(ROOT / "workflow/scripts"), str(ROOT / "tests")]
os.environ["TF_CPP_MIN_LOG_LEVEL"] = "3"
with atheris.instrument_imports(include=["histotransfer", "tifffile", "PIL"]):
    import numpy as np
    import pandas as pd
    from PIL import Image

    from histotransfer.core.crashes import crash_of
    from histotransfer.core.errors import HistotransferError
    from histotransfer.core.exclusions import Reason
    from histotransfer.core.hdf5 import open_store
    from histotransfer.fetch import archives
    from histotransfer.labels import matrix, molecular
    from histotransfer.labels.exclusions import Excluded
    from histotransfer.labels.samples import sequenced_samples
    from histotransfer.models import keras_files, xception
    from histotransfer.models.backend import keras
    from histotransfer.patches import from_folders, from_tiles
    from histotransfer.slides import reader, tiles
    from histotransfer.study import slide_sheet
    from support.parameters import ENCODING, PATCHES, TILING
    from support.slides import stained, write_slide

Read = Callable[[Path, bytes], None]
PX = xception.MIN_INPUT_PX
reader.MAX_THUMBNAIL_PX = 2**16  # a slide that claims more costs seconds and teaches nothing new


def read_slide(folder: Path, content: bytes) -> None:
    """Tile a slide and extract its patches; a reason for its exclusion is one line."""
    slide = folder / "S.svs"
    slide.write_bytes(content)
    if not crash_of(lambda: _tile_and_extract(slide, folder)):  # else it would end the fuzzer
        _tile_and_extract(slide, folder)
        with open_store(folder / "patches.h5", "patches/1", slide="S") as store:
            reason = Reason.of(store.attrs)
        assert reason is None or "\n" not in reason.sentence(), reason


def _tile_and_extract(slide: Path, folder: Path) -> None:
    found = folder / "tiles.h5"
    tiling = replace(TILING, patch_px=32, stride_px=32, thumbnail_mpp=4.0)
    unwrap(tiles.tile_slide)(slide, found, slide="S", sheet_mpp=None, parameters=tiling)
    unwrap(from_tiles.extract_patches)(
        slide, found, folder / "metrics.h5", folder / "patches.h5", slide="S", reference_path=None,
        parameters=replace(PATCHES, max_background_fraction=0.5, max_unreadable_fraction=1.0),
    )  # fmt: skip


def read_patch(folder: Path, content: bytes) -> None:
    """Pack a dataset of one patch."""
    (folder / "set/A").mkdir(parents=True, exist_ok=True)
    (folder / "set/A/a.png").write_bytes(content)
    from_folders.pack_dataset(
        folder / "set",
        folder / "set.h5",
        dataset="D",
        patch_px=32,
        encoding=replace(ENCODING, codec="jpeg"),
    )


def read_archive(folder: Path, content: bytes) -> None:
    """Unpack an archive; nothing may lie beside it afterwards."""
    (folder / "in").mkdir(exist_ok=True)
    (folder / "a.zip").write_bytes(content)
    try:
        archives.unpack(folder / "a.zip", folder / "in/out")
    finally:
        shutil.rmtree(folder / "in/out", ignore_errors=True)
        assert not list((folder / "in").iterdir())
        assert sorted(path.name for path in folder.iterdir()) == ["a.zip", "in"]


def read_matrix(folder: Path, content: bytes) -> None:
    """Read a table of labels, with patients in its rows and in its columns."""
    for name in ("a.csv", "a.tsv.gz"):
        (folder / name).write_bytes(content)
        excluded = Excluded()
        for patients in (["P1", "P2"], ["G", "H"]):
            table = matrix.read_matrix(folder / name, excluded)
            matrix.rows_of_patients(table, patients, folder / name, excluded)


def read_maf(folder: Path, content: bytes) -> None:
    """Tell who has which mutation from a MAF."""
    (folder / "a.maf").write_bytes(content)
    excluded = Excluded()
    rows = molecular.maf_rows(str(folder / "a.maf"), excluded)
    samples = sequenced_samples(
        pd.DataFrame({"sample": ["TCGA-05-4244-01"]}), ["TCGA-05-4244"], folder, excluded
    )
    molecular.maf_status(rows, samples, "non-silent", None, folder / "a.maf", excluded)


def read_star(folder: Path, content: bytes) -> None:
    """Read the expression of one patient as the GDC has it."""
    (folder / "a.tsv").write_bytes(content)
    molecular.star_tpm(folder, pd.Series({"P": "a.tsv"}), None, Excluded())


def read_sheet(folder: Path, content: bytes) -> None:
    """Read a slide sheet."""
    (folder / "slides.tsv").write_bytes(content)
    slide_sheet.read_slide_sheet(
        folder / "slides.tsv", ROOT / "workflow/schemas/slides.schema.yaml"
    )


def read_network(folder: Path, content: bytes) -> None:
    """Load an extractor whose configuration is these bytes."""
    path = folder / "a.keras"
    with zipfile.ZipFile(path, "w") as archive:
        for name, member in network_members().items():
            archive.writestr(name, content if name == "config.json" else member)
    keras_files.load_extractor(path)
    keras.backend.clear_session()


_NETWORK: dict[str, bytes] = {}


def network_members() -> dict[str, bytes]:
    """Return the members of a small extractor that is right."""
    if not _NETWORK:
        image = keras.Input((PX, PX, 3), dtype="uint8")
        convolved = keras.layers.Conv2D(2, 3)(keras.layers.Rescaling(1 / 255)(image))
        buffer = Path(tempfile.mkdtemp()) / "a.keras"
        keras_files.save(
            keras.Model(image, keras.layers.GlobalAveragePooling2D()(convolved)), buffer
        )
        with zipfile.ZipFile(buffer) as archive:
            _NETWORK.update({name: archive.read(name) for name in archive.namelist()})
        shutil.rmtree(buffer.parent)
    return _NETWORK


def slide_seeds() -> Iterator[bytes]:
    """Yield small slides: flat colours, so that most of their bytes are headers."""
    image = np.concatenate([stained(np.full((64, 64), 0.5), 0.3), stained(np.zeros((64, 64)), 0)])
    with tempfile.TemporaryDirectory() as name:
        for compression in ("zlib", "jpeg", "lzw"):
            path = write_slide(Path(name) / "S.svs", image, compression=compression)
            yield path.read_bytes()


def patch_seeds() -> Iterator[bytes]:
    """Yield a patch in several formats and modes."""
    rgb = Image.fromarray(stained(np.full((16, 16), 0.5), 0.3))
    for kind, mode in (("PNG", "RGB"), ("PNG", "P"), ("JPEG", "CMYK"), ("TIFF", "RGB")):
        buffer = io.BytesIO()
        rgb.convert(mode).save(buffer, kind)
        yield buffer.getvalue()


def archive_seeds() -> Iterator[bytes]:
    """Yield an archive as ours and one packed otherwise."""
    for kind in (zipfile.ZIP_DEFLATED, zipfile.ZIP_STORED, zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA):
        buffer = io.BytesIO()
        with zipfile.ZipFile(buffer, "w", kind) as archive:
            archive.writestr("SET/A/1.tif", b"1" * 20)
            archive.writestr("SET/B/2.tif", b"2")
        yield buffer.getvalue()


MATRIX = b"patient,G,H\nP1,1,2\nP2,2,NA\n"
MAF = (
    b"#version\nHugo_Symbol\tVariant_Classification\tTumor_Sample_Barcode\n"
    b"TP53\tMissense_Mutation\tTCGA-05-4244-01A-01D\n"
)
STAR = b"# gene-model\ngene_id\tgene_name\ttpm_unstranded\nE1\tTP53\t1.5\n"
SHEET = b"slide\tpatient\tpath\tmpp\nS\tP\tx.svs\t0.25\n"

TARGETS: dict[str, tuple[Read, Callable[[], Iterator[bytes]]]] = {
    "slide": (read_slide, slide_seeds),
    "patch": (read_patch, patch_seeds),
    "archive": (read_archive, archive_seeds),
    "matrix": (read_matrix, lambda: iter([MATRIX, gzip.compress(MATRIX)])),
    "maf": (read_maf, lambda: iter([MAF])),
    "star": (read_star, lambda: iter([STAR])),
    "sheet": (read_sheet, lambda: iter([SHEET])),
    "network": (read_network, lambda: iter([network_members()["config.json"]])),
}


def main(target: str, *arguments: str) -> None:
    """Fuzz one target; the further arguments are libFuzzer's."""
    read, seeds = TARGETS[target]
    folder = Path(tempfile.mkdtemp(prefix="fuzz-"))
    corpus = folder / "corpus"
    corpus.mkdir()
    for number, seed in enumerate(seeds()):
        (corpus / f"seed{number}").write_bytes(seed)
    work = folder / "work"
    work.mkdir()

    def test_one(content: bytes) -> None:
        try:
            read(work, content)
        except HistotransferError as error:
            if "\n" in str(error) or len(str(error)) > 1000:
                raise
        except Exception:
            traceback.print_exc()  # libFuzzer ends the process without
            raise

    atheris.Setup([sys.argv[0], *arguments, str(corpus)], test_one)
    atheris.Fuzz()


if __name__ == "__main__":
    main(*sys.argv[1:])
