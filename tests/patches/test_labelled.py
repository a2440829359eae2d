"""Datasets whose labels are given by a table: with a folder of images, or without one."""

from __future__ import annotations

from pathlib import Path

import fastparquet
import pandas as pd
import pytest
from PIL import Image

from histotransfer.core.errors import HistotransferError
from histotransfer.core.hdf5 import open_store
from histotransfer.labels.task_labels import patch_labels
from histotransfer.patches.from_folders import pack_dataset
from histotransfer.patches.labelled import patches_by_table, patients_of
from histotransfer.patches.names import PATCH_NAMES, read_notes
from histotransfer.patches.store import read_images
from support.errors import assert_clear
from support.parameters import ENCODING
from support.slides import tissue

FILES = ["1.png", "deep/2.png", "deep/er/3.tif", "other/2.png"]
TABLE = "patch,class\n1.png,TUM\ndeep/2.png,ADI\ndeep/er/3.tif,TUM\nother/2.png,ADI\n"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Make a folder of images whose sub-folders are not classes."""
    for number, name in enumerate(FILES):
        path = tmp_path / "images" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(tissue(32, 32, number)).save(path)
    (tmp_path / "images/readme.txt").write_text("no image")
    (tmp_path / "images/._1.png").write_text("what macOS leaves")
    return tmp_path / "images"


def table_at(folder: Path, text: str, name: str = "labels.csv") -> Path:
    (folder.parent / name).write_bytes(text.encode())
    return folder.parent / name


SPELLINGS = {
    "paths": TABLE,
    "without endings": TABLE.replace(".png", "").replace(".tif", ""),
    "Windows": TABLE.replace("/", "\\").replace("\n", "\r\n"),
    "absolute": TABLE.replace("\n1", "\n/x/images/1").replace("\nd", "\n/x/images/d").replace(
        "\no", "\n/x/images/o"
    ),
    "the file's name where it is enough": TABLE.replace("deep/er/3", "3"),
    "tabs": TABLE.replace(",", "\t"),
    "semicolons": TABLE.replace(",", ";"),
    "other names": TABLE.replace("patch,class", "File Name,LABEL"),
    "more columns": TABLE.replace("\n", ",x\n").replace("class,x", "class,stain", 1),
    "quotes and blanks": TABLE.replace("1.png,TUM", ' 1.png ,"TUM"'),
}  # fmt: skip


@pytest.mark.parametrize("text", SPELLINGS.values(), ids=SPELLINGS)
def test_files_are_found_however_they_are_written(folder: Path, text: str) -> None:
    patches = patches_by_table(table_at(folder, text), folder)
    assert patches.names == FILES
    assert patches.files == [folder / name for name in FILES]
    assert [patches.classes[label] for label in patches.labels] == ["TUM", "ADI", "TUM", "ADI"]
    assert patches.patients == []


@pytest.mark.parametrize("column", ["patient", "group", "Patient ID", "case_id"])
def test_the_patients_of_the_table_are_groups(folder: Path, column: str) -> None:
    rows = TABLE.splitlines()
    text = "\n".join(f"{row},{end}" for row, end in zip(rows, [column, *"PQPQ"], strict=True))
    table = table_at(folder, text)
    out = folder.parent / "set.h5"
    pack_dataset(folder, out, dataset="set", patch_px=32, encoding=ENCODING, labels=table)
    labels = patch_labels(out)
    assert labels.group.to_dict() == dict(zip(FILES, "PQPQ", strict=True))
    assert labels.values["class"].tolist() == ["TUM", "ADI", "TUM", "ADI"]
    with open_store(out, "patches/1", dataset="set") as store:
        assert len(read_images(store, 0, 9)) == 4
        assert [note.reason.code for note in read_notes(store)] == ["patients_named"]


def test_a_parquet_table_is_read(folder: Path) -> None:
    frame = pd.DataFrame({"name": FILES, "label": [1, 2, 1, 2], "group": list("abab")})
    path = str(folder.parent / "t.parquet")
    fastparquet.write(path, frame)
    patches = patches_by_table(path, folder)
    assert (patches.classes, patches.labels) == (["1", "2"], [0, 1, 0, 1])
    assert patches.patients == list("abab")


def test_a_file_without_a_row_is_left_out_and_noted(folder: Path) -> None:
    table = table_at(folder, TABLE.replace("deep/2.png,ADI\n", ""))
    patches = patches_by_table(table, folder)
    assert patches.names == [name for name in FILES if name != "deep/2.png"]
    (note,) = patches.notes
    assert (note.item, note.what, note.reason.code) == ("deep/2.png", "patch", "no_label_row")


def test_without_images_names_and_labels_are_enough(tmp_path: Path) -> None:
    table = tmp_path / "t.csv"
    table.write_text("file,label,patient\nTUM\\2,TUM,P\n./TUM/10.png,TUM,Q\nADI/1.png,ADI,P\n")
    out = tmp_path / "set.h5"
    pack_dataset(
        None, out, dataset="set", patch_px=32, encoding=ENCODING, labels=table, images=False
    )
    with open_store(out, PATCH_NAMES, dataset="set") as store:
        assert store["names"].asstr()[:].tolist() == ["ADI/1.png", "TUM/10.png", "TUM/2"]
        assert store["labels"][:].tolist() == [0, 1, 1]
        assert store["groups"].asstr()[:].tolist() == ["P", "Q", "P"]
    with (
        pytest.raises(HistotransferError, match="holds patch_names/1, expected patches/1"),
        open_store(out, "patches/1"),
    ):
        pass


def test_no_image_is_opened_where_names_are_enough(folder: Path) -> None:
    (folder / "1.png").write_text("no image")
    pack_dataset(
        folder, folder.parent / "set.h5", dataset="set", patch_px=32, encoding=ENCODING,
        labels=table_at(folder, TABLE), images=False,
    )  # fmt: skip


WRONG = {
    "a name of no file": (
        TABLE + "9.png,TUM\n8.png,TUM\n",
        "names 2 of its 6 patches that are not in .*images, such as 9.png",
    ),
    "no name of a file": ("patch,class\nx,A\ny,B\n", "names 2 of its 2 patches that are not in"),
    "two files of one name": (
        TABLE.replace("deep/2", "2"),
        "names 2.png, which may be deep/2.png or other/2.png of .*images",
    ),
    "a row twice": (TABLE + "1.png,TUM\n", "has two rows of 1.png. Keep one"),
    "a patch twice": (TABLE + "1,ADI\n", r"has two rows of 1.png \(once as 1\)"),
    "no class": (
        TABLE.replace("1.png,TUM", "1.png,"),
        "has 1 row of 4 without a class, such as 1.png",
    ),
    "NaN": (TABLE.replace("1.png,TUM", "1.png,NaN"), "has 1 row of 4 without a class"),
    "no name": (TABLE + ",TUM\n", "has 1 row of 5 without a patch"),
    "no patient": (
        "patch,class,patient\n1.png,A,P\ndeep/2.png,B,\n",
        "has 1 row of 2 without a patient, such as deep/2.png",
    ),
    "classes that differ in capitals": (
        TABLE.replace("3.tif,TUM", "3.tif,Tum"),
        "has the classes 'TUM' and 'Tum', which differ only in capitals",
    ),
    "classes that are one number": (
        "patch,class\n1.png,1\ndeep/2.png,1.0\n",
        "has the classes '1' and '1.0'",
    ),
    "a class of all": (TABLE.replace("TUM", "All"), "has a class 'All', which is the name of"),
    "no column of classes": (
        "patch,tissue_kind\n1.png,A\n",
        r"has no column class \(it has patch, tissue_kind\)",
    ),
    "no column at all": ("a,b\n1,2\n", "has no column patch and no column class"),
    "two columns of classes": (
        "patch,class,label\n1.png,A,1\n",
        "has 2 columns that may hold the class: class, label. Rename or remove",
    ),
    "two columns of patients": (
        "patch,class,patient,group\n1.png,A,1,2\n",
        "has 2 columns that may hold the patient: patient, group",
    ),
    "no rows": ("patch,class\n", "has no rows"),
    "nothing": ("", "cannot be read as a table"),
    "a workbook": ("PK\x03\x04", "cannot be read as a table"),
}


@pytest.mark.parametrize(("text", "message"), WRONG.values(), ids=WRONG)
def test_a_table_of_labels_that_is_wrong_is_named(folder: Path, text: str, message: str) -> None:
    table = table_at(folder, text)
    with pytest.raises(HistotransferError, match=message) as caught:
        patches_by_table(table, folder)
    assert_clear(caught.value, str(table))


def test_names_that_are_one_patch_are_found_without_a_folder_too(tmp_path: Path) -> None:
    table = tmp_path / "t.csv"
    table.write_text("patch,class\nA/1,A\nB/1,B\nA\\1,A\n")
    with pytest.raises(HistotransferError, match=r"has two rows of A/1 \(once as A\\1\)"):
        patches_by_table(table)
    table.write_text("patch,class\nA/1,A\n/,B\n")
    with pytest.raises(HistotransferError, match="has 1 row of 2 without a patch"):
        patches_by_table(table)


def test_a_folder_that_is_wrong_is_named(folder: Path, tmp_path: Path) -> None:
    table = table_at(folder, TABLE)
    with pytest.raises(HistotransferError, match="none: is not a folder"):
        patches_by_table(table, tmp_path / "none")
    (tmp_path / "empty").mkdir()
    with pytest.raises(HistotransferError, match="empty: has no images"):
        patches_by_table(table, tmp_path / "empty")


def test_a_table_of_patients_names_patches_as_one_of_labels_does(tmp_path: Path) -> None:
    names = ["A/1.png", "A/2.png", "B/1.png"]
    table = tmp_path / "p.csv"
    table.write_text("image,group\nA\\1,P\n2,P\nB/1.png,Q\nB/9.png,R\n")
    assert patients_of(names, table)[0] == ["P", "P", "Q"]
    table.write_text("image,group\n1,P\n2,P\n")
    with pytest.raises(HistotransferError, match=r"names 1, which may be A/1.png or B/1.png"):
        patients_of(names, table)
