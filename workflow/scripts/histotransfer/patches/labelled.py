"""The labelled patches of a dataset: by the folders in which they lie, or by a table."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from ..core.errors import HistotransferError
from ..core.exclusions import Reason
from ..core.patch_names import PatchNames
from ..core.user_files import PATCHES, files_meant
from ..core.user_tables import Note
from .patch_table import (
    ALL,
    CLASS,
    OF_PATIENTS,
    PATCH,
    PATIENT,
    REMEDY,
    PatchTable,
    names_alone,
    read_patch_table,
    refuse_clashing,
    refuse_empty,
    rows_of_patches,
)

IMAGE_SUFFIXES = {pattern.removeprefix("*") for pattern in PATCHES}


@dataclass(frozen=True)
class LabelledPatches:
    """The patches of a dataset.

    Attributes
    ----------
    names : list of str
        Of n patches, each once: the path below the folder, such as ``CLASS/name.tif``.
    classes : list of str
        Sorted.
    labels : list of int
        The place of each patch's class.
    patients : list of str
        Of each patch; empty if nobody knows them.
    files : list of Path
        Of each patch; empty without a folder.
    notes : list of Note
        Which patches are left out, and what was decided in reading a table.
    """

    names: list[str]
    classes: list[str]
    labels: list[int]
    patients: list[str]
    files: list[Path]
    notes: list[Note] = field(default_factory=list)


def patches_by_folder(folder: str | Path, patients: str | Path | None = None) -> LabelledPatches:
    """Return the patches of a folder with one sub-folder per class, by class and name.

    `patients` is a table of the patient of each patch.

    Raises
    ------
    HistotransferError
        If the folder has no classes, a class has no images, or the table does not name each
        patch's patient.
    """
    folder = Path(folder)
    remedy = (
        "Give `datasets: path` a folder with one sub-folder of images per tissue class, or name "
        "the classes in a table (`datasets: labels`)"
    )
    _refuse_no_folder(folder, remedy)
    classes = sorted(
        entry.name for entry in folder.iterdir() if entry.is_dir() and entry.name[0] != "."
    )
    if not classes:
        raise HistotransferError(folder, "has no sub-folders", remedy)
    if ALL in classes:
        raise HistotransferError(
            folder / ALL, "has a name that stands for all classes", "Rename it"
        )
    files: list[Path] = []
    labels: list[int] = []
    for label, name in enumerate(classes):
        images = sorted(
            file
            for file in (folder / name).iterdir()
            if file.suffix.lower() in IMAGE_SUFFIXES and not file.name.startswith(".")
        )
        if not images:
            raise HistotransferError(folder / name, "has no images", remedy)
        files += images
        labels += [label] * len(images)
    names = _names(files, folder)
    groups, notes = patients_of(names, patients) if patients else ([], [])
    return LabelledPatches(names, classes, labels, groups, files, notes)


def patches_by_table(table: str | Path, folder: str | Path | None = None) -> LabelledPatches:
    """Return the patches of a table of patches and classes, by name.

    The images lie in `folder`, at any depth; without one, nothing but the table is known. A file
    without a row is left out, and noted.

    Raises
    ------
    HistotransferError
        If the table lacks a column or a cell, names a patch twice or one that is not in the folder
        or more than one there, or its classes would be confused.
    """
    read = read_patch_table(table, (PATCH, CLASS), REMEDY)
    refuse_empty(read.cells, table)
    refuse_clashing(read.cells[CLASS], table)
    if folder is None:
        row_of = {name: row for row, name in enumerate(names_alone(read.cells, table))}
        file_of: dict[str, Path] = {}
    else:
        file_of = _images_of(Path(folder))
        row_of = _rows_of_files(read, list(file_of), table, folder)
    names = sorted(row_of)
    rows = read.cells.iloc[[row_of[name] for name in names]]
    classes = sorted(rows[CLASS].unique())
    place = {name: label for label, name in enumerate(classes)}
    unlabelled = Reason("no_label_row", remedy="Add the patch to the table if it should count")
    return LabelledPatches(
        names,
        classes,
        [place[name] for name in rows[CLASS]],
        rows[PATIENT].tolist() if PATIENT in rows else [],
        [file_of[name] for name in names] if file_of else [],
        [*read.notes, *(Note(name, "patch", unlabelled) for name in sorted({*file_of} - {*names}))],
    )


def patients_of(names: Sequence[str], path: str | Path) -> tuple[list[str], list[Note]]:
    """Return the patient of each patch, ``CLASS/name.tif``, as a table says, and what was decided.

    Raises
    ------
    HistotransferError
        If the table lacks a column or a patch, or names two patients of one.
    """
    read = read_patch_table(path, (PATCH, PATIENT), OF_PATIENTS)
    known = PatchNames(names)
    found: dict[str, str] = {}
    for file, patient in read.cells[[PATCH, PATIENT]].itertuples(index=False, name=None):
        name = known.the_one(file, path, "the dataset")
        if name and patient and found.setdefault(name, patient) != patient:
            raise HistotransferError(
                path, f"says that {name} is of {found[name]}, and of {patient}", "Keep one of them"
            )
    if unknown := [name for name in names if name not in found]:
        raise HistotransferError(
            path,
            f"names no patient of {len(unknown)} of the {len(names)} patches, such as {unknown[0]}",
            OF_PATIENTS,
        )
    return [found[name] for name in names], read.notes


def _refuse_no_folder(folder: Path, remedy: str) -> None:
    if not folder.is_dir():
        raise HistotransferError(folder, "is not a folder", remedy)


def _images_of(folder: Path) -> dict[str, Path]:
    """Return the images of a folder, at any depth, by name."""
    remedy = "Give `datasets: path` the folder of the images that the table names"
    _refuse_no_folder(folder, remedy)
    files = files_meant(folder, PATCHES)
    if not files:
        raise HistotransferError(folder, "has no images", remedy)
    return dict(zip(_names(files, folder), files, strict=True))


def _names(files: Sequence[Path], folder: Path) -> list[str]:
    names = [file.relative_to(folder).as_posix() for file in files]
    for name, file in zip(names, files, strict=True):
        if not name.isprintable():
            raise HistotransferError(
                file.parent, f"has a file whose name is not printable: {file.name!r}", "Rename it"
            )
    return names


def _rows_of_files(
    read: PatchTable, names: Sequence[str], table: str | Path, folder: str | Path
) -> dict[str, int]:
    """Return the row of each file that the table names; a row without a file is an error."""
    cells = read.cells
    row_of = {name: row for row, name in rows_of_patches(cells, PatchNames(names), table, folder)}
    strangers = cells[PATCH].drop(cells.index[list(row_of.values())])
    if len(strangers):
        raise HistotransferError(
            table,
            f"names {len(strangers)} of its {len(cells)} patches that are not in {folder}, such "
            f"as {strangers.iloc[0]}",
            f"Name files below that folder, such as {names[0]}, or take these rows out",
        )
    return row_of
