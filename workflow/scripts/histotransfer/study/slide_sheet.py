"""The slide sheet, checked before the first job."""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ..core.errors import HistotransferError
from ..core.patient_ids import patient_of
from ..core.user_files import FEATURES, files_by_stem
from .schema import check, load_schema

COLUMNS = ("slide", "patient", "path")
"""The columns of a slide sheet; that of features that are made already needs no path."""


_DECIMAL = r"[+-]?([0-9]+(\.[0-9]*)?|\.[0-9]+)([eE][+-]?[0-9]+)?"


@dataclass(frozen=True)
class Slide:
    """A row of the slide sheet.

    `path` is empty where the sheet has no paths, because no slide is read; `mpp` is None where the
    slide's header gives the scale; `file_id`, `md5` and `size` are set for slides of the GDC.
    `cohort` is where the patient comes from, and `site` what the config's `site_column` holds, if
    the sheet says so.
    """

    slide: str
    patient: str
    path: str = ""
    mpp: float | None = None
    file_id: str = ""
    md5: str = ""
    size: int | None = None
    cohort: str = ""
    site: str = ""


def read_slide_sheet(
    path: str | Path,
    schema_path: str | Path,
    reserved: Iterable[str] = (),
    *,
    needs_paths: bool = True,
    site_column: str = "",
) -> dict[str, Slide]:
    """Read the slide sheet.

    Parameters
    ----------
    path : str or Path
        A tab-separated table with the columns slide, patient, path and, optionally, mpp.
    schema_path : str or Path
        The JSON schema of a row, in YAML.
    reserved : iterable of str
        Ids that no slide may have: those of the datasets, whose files are in the same folders.
    needs_paths : bool
        Whether slides are read, so that the column `path` may not be absent.
    site_column : str
        The column that names each patient's site, if there is one.

    Returns
    -------
    dict of str to Slide
        By slide id, in the order of the sheet.

    Raises
    ------
    HistotransferError
        At the first wrong row, naming its line.
    """
    schema = load_schema(schema_path)
    known = schema.schema["properties"]
    reserved = {name.lower() for name in reserved}
    slides: dict[str, Slide] = {}
    seen_in_lower_case: dict[str, str] = {}
    columns = COLUMNS if needs_paths else COLUMNS[:2]
    for line, cells in _rows(path, (*columns, *filter(None, [site_column]))):
        where = f"{path}, line {line}"
        row: dict[str, Any] = {
            name: value.strip() if isinstance(value, str) else value
            for name, value in cells.items()
            if value is not None
        }
        if "path" in cells:  # a row that ends before it has none
            row.setdefault("path", "")
        for name, kind in (("mpp", float), ("size", int)):
            if name in row:
                row[name] = _number(row[name], kind, where, name)
        site = str(row.get(site_column, ""))
        if site_column not in known:
            row.pop(site_column, None)
        check(row, schema, where, "Correct the sheet (config/README.md)")
        slide = Slide(**row, site=site)
        if slide.slide in slides:
            raise HistotransferError(
                where, f"slide '{slide.slide}' is listed twice", "Keep one of the rows"
            )
        alike = seen_in_lower_case.setdefault(slide.slide.lower(), slide.slide)
        if alike != slide.slide:
            raise HistotransferError(
                where,
                f"slide '{slide.slide}' differs from '{alike}' only in capitals, which some "
                "file systems ignore",
                "Rename one of the two",
            )
        if slide.slide.lower() in reserved:
            raise HistotransferError(
                where, f"slide '{slide.slide}' has the name of a dataset", "Rename one of the two"
            )
        slides[slide.slide] = slide
    if not slides:
        raise HistotransferError(
            path, "lists no slide", "Write one row per slide below the header slide, patient, path"
        )
    return slides


def slides_of_features(folders: Iterable[str], datasets: Collection[str] = ()) -> dict[str, Slide]:
    """Name the slides of folders of features, for a study without a sheet.

    Of a slide that is named by a TCGA barcode, the patient is that of the barcode; any other slide
    is a patient by itself.

    Parameters
    ----------
    folders : iterable of str
        Folders of ``{slide}.h5``; one that does not exist holds none.
    datasets : collection of str
        Those of the study, whose features may lie in the same folders.

    Returns
    -------
    dict of str to Slide
        Sorted, without paths.
    """
    there = [folder for folder in folders if Path(folder).is_dir()]
    names = sorted({name for folder in there for name in files_by_stem(folder, FEATURES)})
    return {name: Slide(name, patient_of(name)) for name in names if name not in datasets}


def missing_slides(slides: Iterable[Slide]) -> list[str]:
    """List the paths of slides that do not exist."""
    return [slide.path for slide in slides if not Path(slide.path).exists()]


def _rows(path: str | Path, columns: Sequence[str]) -> Iterator[tuple[int, dict[str, str | None]]]:
    """Yield the line and the cells of each row of the sheet, blank lines left out."""
    remedy = (
        "Save it as tab-separated UTF-8 text with the header slide, patient, path and, optionally, "
        "mpp (config/README.md)"
    )
    try:
        text = Path(path).read_bytes().decode("utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        raise HistotransferError(path, f"cannot be read as UTF-8 text ({error})", remedy) from error
    reader = csv.DictReader(
        io.StringIO(text, newline=None), delimiter="\t", restkey="beyond the last column"
    )
    try:
        header = [name.strip() for name in reader.fieldnames or []]
        for name in header:
            if header.count(name) > 1:
                raise HistotransferError(path, f"has two columns '{name}'", remedy)
        if len(header) == 1:
            raise HistotransferError(path, f"has one column, '{header[0][:60]}'", remedy)
        if header and (lacking := [name for name in columns if name not in header]):
            cause = f"its header has no column {', '.join(lacking)}: {' '.join(header)[:60]}"
            raise HistotransferError(path, cause, remedy)
        reader.fieldnames = header
        for cells in reader:
            yield reader.line_num, cells
    except csv.Error as error:
        raise HistotransferError(path, f"is not a table ({error})", remedy) from error


def _number(cell: object, kind: type[int] | type[float], where: str, name: str) -> float | None:
    if cell == "":
        return None
    if not isinstance(cell, str) or not re.fullmatch(_DECIMAL if kind is float else "[0-9]+", cell):
        raise HistotransferError(
            where,
            f"{name} {cell!r} is not a number",
            "Write µm per pixel, such as 0.2525, or the bytes of the file; or leave it empty",
        )
    return kind(cell)
