"""Hostile and careless input: each case ends in one clear message, or in a listed exclusion.

The cases call what the workflow's jobs call; `tests/reliability` sends some through Snakemake.
"""

from __future__ import annotations

import bz2
import copy
import gzip
import io
import os
import struct
import tarfile
import zipfile
import zlib
from collections.abc import Callable
from dataclasses import replace
from inspect import unwrap
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pandas as pd
import pytest
import yaml
from hypothesis import example, given, settings
from hypothesis import strategies as st
from PIL import Image

from histotransfer.core.errors import HistotransferError
from histotransfer.core.exclusions import Reason
from histotransfer.core.hdf5 import open_store
from histotransfer.core.tables import read_table
from histotransfer.evaluation.comparison import COMPARISON, SCHEMAS, write_comparison
from histotransfer.evaluation.splits import write_splits
from histotransfer.features import external
from histotransfer.labels import task_labels
from histotransfer.labels.exclusions import EXCLUDED
from histotransfer.labels.files import read_labels_file
from histotransfer.patches.from_folders import MAX_IMAGE_PX, pack_dataset
from histotransfer.slides.tiles import tile_slide
from histotransfer.study.config import check_config, complete
from histotransfer.study.parameters import StatisticsParameters
from histotransfer.study.slide_sheet import read_slide_sheet
from histotransfer.study.tasks import LabelParameters
from support.errors import JSON, assert_clear
from support.hdf5 import write_hdf5
from support.parameters import ENCODING, TILING
from support.root import ROOT
from support.slides import on_glass, tissue, write_slide
from support.tasks import (
    PREDICTORS,
    cross_validated,
    expression_task,
    mutation_task,
    patients,
    splitting,
    write_cohort,
    write_patch_features,
    write_pooled,
    write_values,
)

CONFIG = ROOT / "workflow/schemas/config.schema.yaml"
SLIDES = ROOT / "workflow/schemas/slides.schema.yaml"


# -- The slide sheet ------------------------------------------------------------------------------

HEAD = "slide\tpatient\tpath\n"
SHEETS: dict[str, tuple[str | bytes, str]] = {
    "nothing": ("", "no slide"),
    "blank lines": ("\n\n\n", "no slide"),
    "a header alone": (HEAD, "no slide"),
    "no header": ("S1\tP1\ta.svs\n", "S1"),
    "commas": ("slide,patient,path\nS,P,x\n", "slide,patient,path"),
    "semicolons": ("slide;patient;path\nS;P;x\n", "one column"),
    "two columns of a name": ("slide\tslide\tpatient\tpath\nS\tT\tP\tx\n", "two columns 'slide'"),
    "a missing column": ("slide\tpatient\nS\tP\n", "no column path"),
    "capitals in the header": ("Slide\tpatient\tpath\nS\tP\tx\n", "Slide"),
    "a further column": ("slide\tpatient\tpath\tage\nS\tP\tx\t60\n", "age"),
    "a short row": (HEAD + "S\tP\n", "line 2"),
    "a long row": (HEAD + "S\tP\tx\ty\tz\n", "beyond the last column"),
    "no id": (HEAD + "\tP\tx\n", "line 2"),
    "no patient": (HEAD + "S\t\tx\n", "line 2: patient"),
    "no path": (HEAD + "S\tP\t \n", "line 2: path"),
    "twice": (HEAD + "S\tP\tx\nS\tP\ty\n", "line 3"),
    "twice but for a blank": (HEAD + "S\tP\tx\nS \tP\ty\n", "listed twice"),
    "alike but for capitals": (HEAD + "s\tP\tx\nS\tP\ty\n", "capitals"),
    "the name of a dataset": (HEAD + "CRC\tP\tx\n", "dataset"),
    "a way out": (HEAD + "../../etc/passwd\tP\tx\n", "line 2: slide"),
    "a way out of a patient": (HEAD + "S\t../P\tx\n", "line 2: patient"),
    "an absolute id": (HEAD + "/etc/passwd\tP\tx\n", "line 2: slide"),
    "a hidden id": (HEAD + ".ssh\tP\tx\n", "line 2: slide"),
    "an option": (HEAD + "--delete\tP\tx\n", "line 2: slide"),
    "a blank in an id": (HEAD + "S 1\tP\tx\n", "line 2: slide"),
    "a command": (HEAD + "$(touch gone)\tP\tx\n", "line 2: slide"),
    "a pipe": (HEAD + "a|b\tP\tx\n", "line 2: slide"),
    "a wildcard": (HEAD + "{slide}\tP\tx\n", "line 2: slide"),
    "unicode in an id": (HEAD + "Größe\tP\tx\n", "line 2: slide"),
    "a letter that looks like another": (HEAD + "SІM\tP\tx\n", "line 2: slide"),
    "an id as long as no file's": (HEAD + "S" * 300 + "\tP\tx\n", "too long"),
    "a null byte": (HEAD + "S\0\tP\tx\n", "line 2: slide"),
    "mpp in words": (HEAD[:-1] + "\tmpp\nS\tP\tx\thalf\n", "mpp 'half' is not a number"),
    "mpp with a comma": (HEAD[:-1] + "\tmpp\nS\tP\tx\t0,5\n", "mpp '0,5' is not a number"),
    "mpp that is not a number": (HEAD[:-1] + "\tmpp\nS\tP\tx\tnan\n", "mpp 'nan'"),
    "infinite mpp": (HEAD[:-1] + "\tmpp\nS\tP\tx\tinf\n", "mpp 'inf'"),
    "mpp beyond all numbers": (HEAD[:-1] + "\tmpp\nS\tP\tx\t1e999\n", "mpp"),
    "negative mpp": (HEAD[:-1] + "\tmpp\nS\tP\tx\t-0.5\n", "line 2: mpp"),
    "mpp of nothing": (HEAD[:-1] + "\tmpp\nS\tP\tx\t0\n", "line 2: mpp"),
    "a magnification for mpp": (HEAD[:-1] + "\tmpp\nS\tP\tx\t40\n", "line 2: mpp"),
    "mpp with an underscore": (HEAD[:-1] + "\tmpp\nS\tP\tx\t0_5\n", "mpp '0_5'"),
    "another encoding": ("slide\tpatient\tpath\nä\tP\tx\n".encode("latin-1"), "UTF-8"),
    "two bytes a letter": ("slide\tpatient\tpath\nS\tP\tx\n".encode("utf-16"), "UTF-8"),
    "a spreadsheet": (b"PK\x03\x04" + bytes(range(256)), "UTF-8"),
    "an endless cell": (HEAD + "S\tP\t" + "x" * 200_000 + "\n", "is not a table"),
    "an open quote": (HEAD + '"S\tP\tx\nT\tP\ty\n', "line"),
}


@pytest.mark.parametrize("case", SHEETS)
def test_a_wrong_sheet_is_refused(tmp_path: Path, case: str) -> None:
    text, named = SHEETS[case]
    path = tmp_path / "slides.tsv"
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    with pytest.raises(HistotransferError) as caught:
        read_slide_sheet(path, SLIDES, reserved=["CRC"])
    assert_clear(caught.value, "slides.tsv", named)


def test_a_careless_sheet_is_read_as_it_is_meant(tmp_path: Path) -> None:
    """A byte order mark, line ends of all kinds, blanks around, blank lines, odd paths."""
    path = tmp_path / "slides.tsv"
    odd = "my slides/$(touch x); 'ü' {a}/../b.svs"
    path.write_bytes(
        f" slide\tpatient \tpath\tmpp\r\n\r\n S.1 \tP\t{odd}\t 0.25 \rT\tP\tx\t\n".encode(
            "utf-8-sig"
        )
    )
    slides = read_slide_sheet(path, SLIDES)
    assert list(slides) == ["S.1", "T"]
    assert (slides["S.1"].path, slides["S.1"].mpp, slides["T"].mpp) == (odd, 0.25, None)


def test_a_folder_for_a_sheet_is_refused(tmp_path: Path) -> None:
    with pytest.raises(HistotransferError) as caught:
        read_slide_sheet(tmp_path, SLIDES)
    assert_clear(caught.value, str(tmp_path))


@given(st.text())
def test_any_text_is_a_sheet_or_refused(
    tmp_path_factory: pytest.TempPathFactory, text: str
) -> None:
    path = tmp_path_factory.getbasetemp() / "any.tsv"
    path.write_bytes(text.encode("utf-8", "surrogatepass"))
    try:
        read_slide_sheet(path, SLIDES)
    except HistotransferError as error:
        assert_clear(error, "any.tsv")


@given(st.binary(max_size=200))
def test_any_bytes_after_a_header_are_a_sheet_or_refused(
    tmp_path_factory: pytest.TempPathFactory, text: bytes
) -> None:
    path = tmp_path_factory.getbasetemp() / "any.tsv"
    path.write_bytes(b"slide\tpatient\tpath\tmpp\n" + text)
    try:
        for slide in read_slide_sheet(path, SLIDES).values():
            assert slide.slide.replace(".", "").replace("-", "").replace("_", "").isalnum()
            assert slide.mpp is None or 0.05 <= slide.mpp <= 5
    except HistotransferError as error:
        assert_clear(error, "any.tsv")


# -- The config -----------------------------------------------------------------------------------


def at(config: dict[str, Any], path: str, value: Any) -> None:
    """Set a key, given as a path of keys."""
    *parents, last = path.split(".")
    for key in parents:
        config = config[key]
    config[last] = value


def setting(path: str, value: Any) -> Callable[[dict[str, Any]], None]:
    return lambda config: at(config, path, value)


CONFIGS: dict[str, tuple[Callable[[dict[str, Any]], Any], str]] = {
    f"{path}: {value!r}": (setting(path, value), path)
    for path, value in [
        ("crossval.repeats", 0),
        ("crossval.repeats", -1),
        ("crossval.repeats", 1.5),
        ("crossval.repeats", True),
        ("crossval.repeats", 10**9),
        ("crossval.repeats", float("inf")),
        ("crossval.folds", 1),
        ("crossval.folds", 0),
        ("crossval.folds", "5"),
        ("crossval.folds", None),
        ("crossval.repeats_per_job", 0),
        ("tiling.target_mpp", -0.5),
        ("tiling.target_mpp", 0),
        ("tiling.target_mpp", 40),
        ("tiling.target_mpp", float("nan")),
        ("tiling.target_mpp", "0.5 µm"),
        ("tiling.mpp_tolerance", 1),
        ("tiling.patch_px", 70),
        ("tiling.patch_px", 224.5),
        ("tiling.patch_px", 10**6),
        ("tiling.stride_px", 0),
        ("tiling.thumbnail_mpp", 1e-9),
        ("tiling.min_tissue_fraction", 1.5),
        ("tiling.min_tissue_fraction", -0.1),
        ("tiling.max_unreadable_fraction", float("nan")),
        ("patches.jpeg_quality", 5),
        ("patches.codec", "gif"),
        ("qc.min_sharpness", float("-inf")),
        ("qc.apply", "yes"),
        ("network.batch_size", 0),
        ("network.batch_size", "many"),
        ("network.weights", ""),
        ("finetune.seeds", []),
        ("finetune.seeds", [1, 1]),
        ("finetune.seeds", [2**40]),
        ("finetune.validation_fraction", 0),
        ("finetune.dropout", 1),
        ("finetune.step1.learning_rate", "1e-3"),
        ("finetune.step2.unfreeze_from", "block0"),
        ("features.dtype", "float8"),
        ("pooling.patches", "attention"),
        ("seed", -1),
        ("seed", 2**70),
        ("study", ""),
        ("slides", ["a.tsv", "b.tsv"]),
        ("slides", None),
        ("results", "../elsewhere"),
        ("results", "results/../../elsewhere"),
        ("results", "/etc"),
        ("results", "~/results"),
        ("results", "my results"),
        ("results", "results/{x}"),
        ("results", "results;rm"),
        ("results", "results\n"),
        ("datasets.NCT-CRC-HE-100K.path", "data/{x}"),
        ("tasks.expression.labels", "data/{slide}.tsv"),
        ("extractors", {}),
        ("extractors", None),
        ("extractors.FTX-2048.source", "finetune"),
        ("extractors.FTX-2048.source", {"features": "a", "table": "b.csv"}),
        ("extractors.FTX-2048.source", {"pickle": "a.pkl"}),
        ("tasks", {}),
        ("tasks.expression.alphas", []),
        ("tasks.expression.alphas", [0.0]),
        ("tasks.expression.alphas", [1.0, float("nan")]),
        ("tasks.expression.transform", "log2"),
        ("tasks.expression.transform", {"clip": -1}),
        ("tasks.expression.targets", []),
        ("tasks.expression.targets", [1, 2]),
        ("tasks.mutation.inverse_penalties", [-1.0]),
        ("statistics.alpha", 0),
        ("statistics.alpha", 1),
        ("statistics.rope", -0.01),
    ]
} | {
    "a predictor of numbers for mutations": (
        setting("tasks.mutation.predictor", "ridge"),
        "tasks.mutation",
    ),
    "a typo": (lambda c: c.update(crossvall=c.pop("crossval")), "crossval"),
    "a number for a key": (lambda c: c["tasks"].update({1: c["tasks"]["tissue"]}), "1"),
    "NO for a key": (lambda c: c["extractors"].update(yaml.safe_load("NO: {source: x}")), "False"),
    "NO for a gene": (setting("tasks.expression.targets", yaml.safe_load("[NO, TP53]")), "false"),
    "a task that leaves its folder": (
        lambda c: c["tasks"].update({"../x": c["tasks"]["tissue"]}),
        "../x",
    ),
    "a task of two lines": (lambda c: c["tasks"].update({"x\n": c["tasks"]["tissue"]}), "x"),
    "a dataset that is a command": (
        lambda c: c["datasets"].update({"$(x)": {"path": "x"}}),
        "$(x)",
    ),
    "a list": (lambda c: c.update(tiling=[c["tiling"]]), "tiling"),
    "nothing": (lambda c: c.clear(), "lacks the keys"),
}  # fmt: skip


@pytest.fixture(scope="module")
def right() -> dict[str, Any]:
    return yaml.safe_load((ROOT / "config/config.yaml").read_text())


@pytest.mark.parametrize("case", CONFIGS)
def test_a_wrong_config_is_refused(right: dict[str, Any], case: str) -> None:
    change, named = CONFIGS[case]
    config = copy.deepcopy(right)
    change(config)
    with pytest.raises(HistotransferError) as caught:
        check_config(complete(config, ROOT / "workflow/defaults.yaml"), CONFIG)
    assert_clear(caught.value, "config", named)


@settings(max_examples=30)
@given(st.data())
def test_any_value_of_any_key_is_right_or_refused(
    right: dict[str, Any], data: st.DataObject
) -> None:
    config = copy.deepcopy(right)
    place = config
    while True:
        key = data.draw(st.sampled_from(sorted(place)))
        if not isinstance(place[key], dict) or data.draw(st.booleans()):
            break
        place = place[key]
    place[key] = data.draw(JSON)
    try:
        check_config(complete(config, ROOT / "workflow/defaults.yaml"), CONFIG)
    except HistotransferError as error:
        assert_clear(error, "config")


# -- Labels ---------------------------------------------------------------------------------------

PATIENTS = [f"P{number}" for number in range(8)]
TABLE = "patient,G\n" + "".join(f"P{number},{number}\n" for number in range(8))


def column(*values: object) -> str:
    cells = [*values, *range(8 - len(values))]
    return "patient,G\n" + "".join(f"{p},{v}\n" for p, v in zip(PATIENTS, cells, strict=True))


def archive_of(*members: tuple[str, str]) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        for name, text in members:
            archive.writestr(name, text)
    return buffer.getvalue()


def encrypted() -> bytes:
    whole = bytearray(archive_of(("t.csv", TABLE)))
    for mark in (b"PK\x03\x04", b"PK\x01\x02"):
        whole[whole.index(mark) + (6 if mark[2] == 3 else 8)] |= 1
    return bytes(whole)


def tar_of(text: str) -> bytes:
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w:gz") as archive:
        for name in ("../../a.csv", "b.csv"):
            entry = tarfile.TarInfo(name)
            entry.size = len(text)
            archive.addfile(entry, io.BytesIO(text.encode()))
    return buffer.getvalue()


LABELS: dict[str, tuple[str, str | bytes, dict[str, Any], str]] = {
    "nothing": ("t.csv", "", {}, "cannot be read as a table"),
    "a header alone": ("t.csv", "patient,G\n", {}, "names no patient"),
    "nobody of the cohort": ("t.csv", "patient,G\nX,1\nY,2\n", {}, "names no patient"),
    "ids alone": ("t.csv", "patient\nP0\nP1\n", {}, "has no usable target"),
    "ragged": ("t.csv", TABLE + "P9,1,2,3\n", {}, "cannot be read as a table"),
    "binary": ("t.csv", bytes(range(256)) * 9, {}, "t.csv"),
    "gzip cut short": ("t.csv.gz", gzip.compress(TABLE.encode())[:-12], {}, "cannot be read"),
    "gzip damaged": (
        "t.csv.gz",
        gzip.compress(TABLE.encode())[:14] + b"\xff" * 60,
        {},
        "cannot be read",
    ),
    "bzip2 cut short": ("t.csv.bz2", bz2.compress(TABLE.encode())[:-9], {}, "cannot be read"),
    "not xz": ("t.csv.xz", b"\xfd7zXZ\0" + b"\1" * 40, {}, "cannot be read"),
    "two tables in a zip": (
        "t.csv.zip",
        archive_of(("../../a.csv", TABLE), ("b.csv", TABLE)),
        {},
        "cannot be read",
    ),
    "an empty zip": ("t.csv.zip", archive_of(), {}, "cannot be read"),
    "an encrypted zip": ("t.csv.zip", encrypted(), {}, "cannot be read"),
    "two tables in a tar": ("t.csv.tar.gz", tar_of(TABLE), {}, "cannot be read"),
    "not zstandard": ("t.csv.zst", b"\x28\xb5\x2f\xfd" + b"\0" * 9, {}, "cannot be read"),
    "text among numbers": ("t.csv", column("high"), {}, "holds 'high' for P0"),
    "an infinite number": ("t.csv", column("1e999"), {}, "holds '1e999' for P0"),
    "commas that may be thousands": ("t.csv", column('"1,500"'), {}, "decimal number or thousands"),
    "a formula": ("t.csv", column("=1+1"), {}, "holds '=1+1' for P0"),
    "negative TPM": ("t.csv", column(-1), {"transform": "log2p1"}, "negative values"),
    "a gene without any number": ("t.csv", column(*[""] * 8), {}, "no usable target"),
    "the same number for all": ("t.csv", column(*[3] * 8), {}, "no usable target"),
    "no such gene": ("t.csv", TABLE, {"targets": ["H"]}, "no usable target"),
    "no such list of genes": ("t.csv", TABLE, {"targets": "gone.txt"}, "gone.txt"),
    "a list of genes that is a folder": ("t.csv", TABLE, {"targets": "/"}, "list of targets"),
    "no such suffix": ("t.csv", TABLE, {"labels": {"suffix": "_rna"}}, "_rna"),
    "a mutation of 2": ("t.csv", column(2), {"kind": "mutation"}, "holds"),
    "a fraction for a mutation": ("t.csv", column(0.5), {"kind": "mutation"}, "holds 0.5"),
    "words for mutations": ("t.csv", column("perhaps"), {"kind": "mutation"}, "holds 'perhaps'"),
}  # fmt: skip


def read_labels(folder: Path, name: str, content: str | bytes, changes: dict[str, Any]) -> None:
    path = folder / name
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    source = changes.get("labels", {})
    if "star_counts" not in source:
        source = {"table": str(path), **source}
    make = mutation_task if changes.get("kind") == "mutation" else expression_task
    task = make(source, **{k: v for k, v in changes.items() if k not in ("kind", "labels")})
    task_labels.write_labels(
        LabelParameters.of(task), folder / "l.tsv", folder / "e.tsv", folder / "f.tsv",
        cohort_table=write_cohort(folder / "cohort.tsv", PATIENTS),
    )  # fmt: skip


@pytest.mark.parametrize("case", LABELS)
def test_wrong_labels_are_refused(tmp_path: Path, monkeypatch, case: str) -> None:
    folder = tmp_path / "a/b/c"
    folder.mkdir(parents=True)
    monkeypatch.chdir(folder)
    name, content, changes, named = LABELS[case]
    with pytest.raises(HistotransferError) as caught:
        read_labels(folder, name, content, changes)
    assert_clear(caught.value, named)
    left = {path.name for path in tmp_path.rglob("*") if path.is_file()}
    assert left == {"cohort.tsv", ".cohort.tsv.sha256", name}


LISTED = {
    "all NaN": (["NaN"] * 8, "no_number"),
    "all NA": (["NA"] * 8, "no_number"),
    "one value": ([5] * 8, "no_variance"),
}


@pytest.mark.parametrize("case", LISTED)
def test_a_gene_that_is_no_use_is_listed_beside_one_that_is(tmp_path: Path, case: str) -> None:
    values, code = LISTED[case]
    rows = [f"{p},{v},{n}\n" for n, (p, v) in enumerate(zip(PATIENTS, values, strict=True))]
    read_labels(tmp_path, "t.csv", "patient,BAD,GOOD\n" + "".join(rows), {})
    excluded = read_table(tmp_path / "e.tsv", EXCLUDED)
    expected = [["patient", "id_column"], ["BAD", code]]
    assert excluded[["item", "code"]].values.tolist() == expected
    assert list(read_labels_file(tmp_path / "l.tsv").values) == ["GOOD"]


def test_a_gene_without_a_name_is_listed(tmp_path: Path) -> None:
    rows = "".join(f"{n},{p},{n}\n" for n, p in enumerate(PATIENTS))
    read_labels(tmp_path, "t.csv", ",patient,GOOD\n" + rows, {})
    excluded = read_table(tmp_path / "e.tsv", EXCLUDED)
    expected = [["column", "id_column"], ["target", "no_name"]]
    assert excluded[["what", "code"]].values.tolist() == expected
    assert list(read_labels_file(tmp_path / "l.tsv").values) == ["GOOD"]


@pytest.mark.parametrize(
    "names",
    [
        ["NA", "1", "a b", "ü;rm -rf", "../x", "HLA-A|3105"],
        ["sample", "group", "tissue", "all"],
        *([name] for name in ("sample", "group", "tissue", "all")),
    ],
)
def test_a_gene_with_an_odd_name_comes_through_as_it_is(tmp_path: Path, names: list[str]) -> None:
    values = {p: [n * k for k in range(1, len(names) + 1)] for n, p in enumerate(PATIENTS)}
    rows = "".join(f"{p},{','.join(map(str, row))}\n" for p, row in values.items())
    read_labels(tmp_path, "t.csv", f"patient,{','.join(names)}\n{rows}", {})
    labels = read_labels_file(tmp_path / "l.tsv").values
    assert list(labels) == names
    assert labels.to_numpy().tolist() == [values[p] for p in labels.index]


READ: dict[str, tuple[str, str | bytes]] = {
    "ids in other capitals": ("t.csv", TABLE.lower().replace(",g", ",G")),
    "an open quote": ("t.csv", TABLE + '"P9,1\n'),
    "another encoding": ("t.csv", (TABLE + "Pä,1\n").encode("latin-1")),
    "not gzip": ("t.csv.gz", TABLE),
    "not zip": ("t.csv.zip", TABLE),
}


@pytest.mark.parametrize("case", READ)
def test_odd_labels_are_read_as_they_are_meant(tmp_path: Path, case: str) -> None:
    name, content = READ[case]
    read_labels(tmp_path, "plain.csv", TABLE, {})
    expected = read_labels_file(tmp_path / "l.tsv").values
    read_labels(tmp_path, name, content, {})
    pd.testing.assert_frame_equal(read_labels_file(tmp_path / "l.tsv").values, expected)


@given(st.binary(max_size=300))
def test_any_bytes_are_labels_or_refused(
    tmp_path_factory: pytest.TempPathFactory, content: bytes
) -> None:
    folder = tmp_path_factory.getbasetemp() / "labels"
    folder.mkdir(exist_ok=True)
    for name in ("t.csv", "t.csv.gz", "t.tsv.zip"):
        try:
            read_labels(folder, name, content, {})
        except HistotransferError as error:
            assert_clear(error, name)


@pytest.mark.parametrize("folds", [9, 100])
def test_more_folds_than_patients_are_refused(tmp_path: Path, folds: int) -> None:
    read_labels(tmp_path, "t.csv", TABLE, {})
    with pytest.raises(HistotransferError) as caught:
        write_splits(
            tmp_path / "l.tsv", tmp_path / "s.tsv", task="t", kind="expression",
            parameters=splitting(1, folds=folds),
        )  # fmt: skip
    assert_clear(caught.value, "l.tsv", "8 groups", f"{folds} folds")


TARGETS: dict[str, tuple[str, list[object]]] = {
    "mutated in nobody": ("mutation", [0] * 16),
    "mutated in all": ("mutation", [1] * 16),
    "mutated in one": ("mutation", [1] + [0] * 15),
    "sequenced in three": ("mutation", [1, 0, 1] + [""] * 13),
    "measured in two": ("expression", [1.0, 2.0] + [""] * 14),
    "an outlier alone": ("expression", [1.0] + [0.0] * 15),
}


@pytest.mark.parametrize("case", TARGETS)
def test_a_target_of_one_class_or_of_few_is_told_to_be_not_estimable(
    tmp_path: Path, case: str
) -> None:
    """Beside one that is estimable, through splits, cross-validation, scores and comparison."""
    kind, values = TARGETS[case]
    names = patients(16)
    good = np.arange(16) % 2 if kind == "mutation" else np.sin(np.arange(16))
    bad = [np.nan if value == "" else value for value in values]
    table = write_values(tmp_path / "l.tsv", names, {"BAD": bad, "GOOD": good})
    splits = tmp_path / "s.tsv"
    write_splits(table, splits, task="t", kind=kind, parameters=splitting(1, folds=4, repeats=2))
    rng = np.random.default_rng(1)
    features = {}
    for name in ("A", "B"):
        signal = rng.normal(size=(16, 4)) + 2 * good[:, None]
        features[name] = write_pooled(tmp_path / f"{name}.h5", signal, names, name)
    files = cross_validated(
        tmp_path, table, splits, features,
        task="t", parameters=PREDICTORS[kind], blocks=[[0, 1]], seed=1,
    )  # fmt: skip
    write_comparison(
        {"t": files}, {"t": kind}, StatisticsParameters(0.01, 0.05, seed=1),
        {name: tmp_path / f"{name}.tsv" for name in SCHEMAS},
    )  # fmt: skip
    comparison = read_table(tmp_path / "comparison.tsv", COMPARISON).set_index("target")
    assert comparison.loc["BAD", "status"] == "not estimable"
    assert comparison.loc["BAD", ["delta", "p_corrected"]].isna().all()
    assert np.isfinite(comparison.loc["GOOD", "delta"])


def test_a_tissue_task_of_one_class_is_refused(tmp_path: Path) -> None:
    store = write_patch_features(tmp_path / "f.h5", np.ones((5, 3)), np.zeros(5, int))
    with pytest.raises(HistotransferError) as caught:
        task_labels.patch_labels(store)
    assert_clear(caught.value, "f.h5", "one class")


STAR = {
    "another table": "a\tb\n1\t2\n",
    "binary": "\0\1\2",
    "words for TPM": "gene_name\ttpm_unstranded\nA\thigh\n",
}
MAF = {"another table": "a\tb\n1\t2\n", "nothing": "", "comments alone": "#version 2.4\n"}


@pytest.mark.parametrize("case", STAR)
def test_wrong_star_counts_are_refused(tmp_path: Path, case: str) -> None:
    (tmp_path / "gdc").mkdir()
    (tmp_path / "gdc/a.tsv").write_text(STAR[case])
    source = {"star_counts": str(tmp_path / "gdc"), "samples": str(tmp_path / "t.tsv")}
    with pytest.raises(HistotransferError) as caught:
        read_labels(tmp_path, "t.tsv", "File Name\tSample ID\na.tsv\tP0\n", {"labels": source})
    assert_clear(caught.value, "a.tsv")


# -- Patches --------------------------------------------------------------------------------------


def png(image: Image.Image, kind: str = "PNG", **options: Any) -> bytes:
    buffer = io.BytesIO()
    image.save(buffer, kind, **options)
    return buffer.getvalue()


def picture(mode: str = "RGB", size: int = 64) -> Image.Image:
    return Image.fromarray(tissue(size, size)).convert(mode)


def png_that_claims(width: int, height: int) -> bytes:
    """Make a PNG of a few bytes that says it has so many pixels."""

    def chunk(kind: bytes, data: bytes) -> bytes:
        check = struct.pack(">I", zlib.crc32(kind + data))
        return struct.pack(">I", len(data)) + kind + data + check

    head = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    pixels = zlib.compress(bytes(10_000))
    return (
        b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", head) + chunk(b"IDAT", pixels) + chunk(b"IEND", b"")
    )


JPEG = png(picture(), "JPEG")
PATCHES: dict[str, tuple[str, bytes, str]] = {
    "nothing": ("a.png", b"", "cannot identify"),
    "text": ("a.tif", b"no image", "cannot identify"),
    "PNG cut short": ("a.png", png(picture())[:700], "cannot be read"),
    "PNG with a flipped byte": (
        "a.png",
        png(picture())[:500] + b"\xff" + png(picture())[501:],
        "cannot be read",
    ),
    "JPEG cut short": ("a.jpg", JPEG[:900], "cannot be read"),
    "JPEG without its end": ("a.jpg", JPEG[:-2], "cannot be read"),
    "TIFF cut short": ("a.tif", png(picture(), "TIFF")[:3000], "cannot be read"),
    "16 bits": (
        "a.png",
        png(Image.fromarray(np.full((64, 64), 5000, np.uint16))),
        "not an 8-bit image",
    ),
    "floating point": (
        "a.tif",
        png(Image.fromarray(np.ones((64, 64), np.float32)), "TIFF"),
        "not an 8-bit image",
    ),
    "a bomb": ("a.png", png_that_claims(50_000, 50_000), "a.png"),
    "a small bomb": ("a.png", png_that_claims(5000, 5000), "too many for a patch"),
    "a bomb of one row": ("a.png", png_that_claims(2**31 - 1, 1), "a.png"),
    "no pixels": ("a.png", png_that_claims(0, 0), "a.png"),
    "PostScript under another name": (
        "a.tif",
        b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 64 64\n(x) run\n",
        "cannot identify",
    ),
    "a GIF under another name": ("a.png", png(picture(), "GIF"), "cannot identify"),
    "an icon under another name": ("a.png", png(picture(), "ICO"), "cannot identify"),
}  # fmt: skip
PACK: dict[str, Any] = {
    "dataset": "set", "patch_px": 64, "encoding": replace(ENCODING, codec="jpeg"),
}  # fmt: skip


@pytest.mark.parametrize("case", PATCHES)
def test_a_wrong_patch_is_refused(tmp_path: Path, case: str) -> None:
    name, content, named = PATCHES[case]
    (tmp_path / "set/A").mkdir(parents=True)
    (tmp_path / "set/A" / name).write_bytes(content)
    with pytest.raises(HistotransferError) as caught:
        pack_dataset(tmp_path / "set", tmp_path / "set.h5", **PACK)
    assert_clear(caught.value, str(tmp_path / "set/A" / name), named)
    assert [path.name for path in tmp_path.iterdir()] == ["set"]


@pytest.mark.parametrize("mode", ["1", "L", "P", "RGBA", "LA", "PA", "CMYK", "YCbCr"])
def test_a_patch_of_another_mode_is_converted_and_counted(tmp_path: Path, mode: str) -> None:
    (tmp_path / "set/A").mkdir(parents=True)
    kind = "TIFF" if mode in {"CMYK", "YCbCr", "PA", "LA"} else "PNG"
    image = picture("L").convert("P").convert("PA") if mode == "PA" else picture(mode)
    (tmp_path / f"set/A/a.{kind.lower()}").write_bytes(
        png(picture("RGBA"), "TIFF") if mode == "PA" else png(image, kind)
    )
    pack_dataset(tmp_path / "set", tmp_path / "set.h5", **PACK)
    with open_store(tmp_path / "set.h5", "patches/1") as store:
        assert store.attrs["n_converted"] == 1


FOLDERS: dict[str, tuple[Callable[[Path], Any], str]] = {
    "missing": (lambda f: None, "is not a folder"),
    "a file": (lambda f: f.write_text("x"), "is not a folder"),
    "empty": (lambda f: f.mkdir(), "no sub-folders"),
    "images without classes": (
        lambda f: (f.mkdir(), (f / "a.png").write_bytes(png(picture()))),
        "no sub-folders",
    ),
    "an empty class": (lambda f: (f / "A").mkdir(parents=True), "has no images"),
    "a class called all": (lambda f: (f / "all").mkdir(parents=True), "stands for all classes"),
    "a folder for an image": (lambda f: (f / "A/a.png").mkdir(parents=True), "a.png"),
    "a name of bytes": (
        lambda f: ((f / "A").mkdir(parents=True), os.mkdir(os.fsencode(f / "A") + b"/\xff.png")),  # noqa: PTH102
        "not printable",
    ),
    "a name of two lines": (lambda f: (f / "A/a\nb.png").mkdir(parents=True), "not printable"),
    "a link to nowhere": (
        lambda f: ((f / "A").mkdir(parents=True), (f / "A/a.png").symlink_to("gone")),
        "a.png",
    ),
    "a link to itself": (
        lambda f: ((f / "A").mkdir(parents=True), (f / "A/a.png").symlink_to("a.png")),
        "a.png",
    ),
}  # fmt: skip


@pytest.mark.parametrize("case", FOLDERS)
def test_a_wrong_folder_of_patches_is_refused(tmp_path: Path, case: str) -> None:
    make, named = FOLDERS[case]
    make(tmp_path / "set")
    with pytest.raises(HistotransferError) as caught:
        pack_dataset(tmp_path / "set", tmp_path / "set.h5", **PACK)
    assert_clear(caught.value, named)
    assert not list(tmp_path.glob("*.h5"))


@given(st.binary(max_size=200), st.sampled_from([b"", JPEG[:200], png(picture())[:60], b"II*\0"]))
def test_any_bytes_are_a_patch_or_refused(
    tmp_path_factory: pytest.TempPathFactory, content: bytes, start: bytes
) -> None:
    folder = tmp_path_factory.getbasetemp() / "patches"
    (folder / "A").mkdir(parents=True, exist_ok=True)
    (folder / "A/a.png").write_bytes(start + content)
    try:
        pack_dataset(folder, folder.with_suffix(".h5"), **PACK)
    except HistotransferError as error:
        assert_clear(error, "a.png")


def test_the_limit_leaves_room_for_every_patch() -> None:
    assert MAX_IMAGE_PX == 4096**2  # the largest tiling.patch_px


# -- Slides ---------------------------------------------------------------------------------------


def tile(path: Path, out: Path, sheet_mpp: float | None = None) -> Reason | None:
    """Tile a slide and return the reason for its exclusion."""
    unwrap(tile_slide)(path, out, slide="S", sheet_mpp=sheet_mpp, parameters=TILING)
    with open_store(out, "tiles/1", slide="S") as store:
        reason = Reason.of(store.attrs)
        assert len(store["coords"]) == 0 or reason is None
        return reason


def overwrite(path: Path, offset: int, content: bytes) -> None:
    with path.open("r+b") as file:
        file.seek(offset)
        file.write(content)


SLIDE_CASES: dict[str, tuple[Callable[[Path], Any], float | None, str]] = {
    "a fifo": (lambda p: os.mkfifo(p), None, "slide_not_a_file"),
    "a device": (lambda p: p.symlink_to("/dev/zero"), None, "slide_not_a_file"),
    "a link to itself": (lambda p: p.symlink_to(p), None, "slide_missing"),
    "a link to nowhere": (lambda p: p.symlink_to("gone"), None, "slide_missing"),
    "zeros": (lambda p: p.write_bytes(bytes(10**6)), None, "slide_unreadable"),
    "a PNG": (lambda p: p.write_bytes(png(picture())), None, "slide_unsupported"),
    "a TIFF of one picture": (
        lambda p: p.write_bytes(png(picture(), "TIFF")),
        0.5,
        "slide_unsupported",
    ),
    "a TIFF whose pages are a ring": (
        lambda p: p.write_bytes(b"II*\0\x08\0\0\0\0\0\x08\0\0\0"),
        None,
        "slide_unreadable",
    ),
    "an implausible scale in the header": (
        lambda p: write_slide(p, tissue(256, 256), mpp=5000),
        None,
        "mpp_implausible",
    ),
    "a scale that is not a number": (
        lambda p: write_slide(p, tissue(256, 256), mpp="nan"),  # type: ignore[arg-type]
        None,
        "no_mpp",
    ),
    "a slide of glass": (lambda p: write_slide(p, on_glass(256, 0, 0, 4, 4)), None, "no_tissue"),
    "a slide coarser than the target": (
        lambda p: write_slide(p, tissue(256, 256), mpp=2.0),
        None,
        "too_coarse",
    ),
}  # fmt: skip


@pytest.mark.parametrize("case", SLIDE_CASES)
def test_a_wrong_slide_is_listed(tmp_path: Path, case: str) -> None:
    make, sheet_mpp, code = SLIDE_CASES[case]
    make(tmp_path / "S.svs")
    reason = tile(tmp_path / "S.svs", tmp_path / "t.h5", sheet_mpp)
    assert reason is not None
    assert reason.code == code
    assert reason.remedy
    assert "\n" not in reason.sentence()


def test_a_slide_that_claims_more_than_a_glass_holds_is_listed(tmp_path: Path, monkeypatch) -> None:
    monkeypatch.setattr("histotransfer.slides.reader.MAX_THUMBNAIL_PX", 200)
    write_slide(tmp_path / "S.svs", tissue(256, 256))
    reason = tile(tmp_path / "S.svs", tmp_path / "t.h5")
    assert reason is not None
    assert (reason.code, reason.detail) == ("too_large", "256 × 256 px at 0.5 µm/px")


@given(st.integers(0, 10**6), st.binary(min_size=1, max_size=8))
@example(248, b"\x80")  # the name of a property that is not UTF-8
def test_a_damaged_slide_is_read_or_listed(
    tmp_path_factory: pytest.TempPathFactory, place: int, content: bytes
) -> None:
    folder = tmp_path_factory.getbasetemp()
    whole = folder / "whole.svs"
    if not whole.exists():
        write_slide(whole, tissue(256, 256))
    damaged = folder / "S.svs"
    damaged.write_bytes(whole.read_bytes())
    overwrite(damaged, place % whole.stat().st_size, content)
    reason = tile(damaged, folder / "t.h5")
    assert reason is None or "\n" not in reason.sentence()


# -- External features ----------------------------------------------------------------------------


def linked(path: Path) -> None:
    write_hdf5(path.with_name("other.h5"), features=np.ones((3, 4)))
    with h5py.File(path, "w") as file:
        file["features"] = h5py.ExternalLink("other.h5", "/features")


def linked_by_way_of_a_group(path: Path) -> None:
    write_hdf5(path.with_name("other.h5"), features=np.ones((3, 4)))
    with h5py.File(path, "w") as file:
        file["group"] = h5py.ExternalLink("other.h5", "/")
        file["features"] = h5py.SoftLink("/group/features")


def stored_elsewhere(path: Path) -> None:
    path.with_name("secret").write_bytes(bytes(96))
    with h5py.File(path, "w") as file:
        file.create_dataset("features", (3, 4), "f8", external=[("secret", 0, 96)])


def virtual(path: Path) -> None:
    write_hdf5(path.with_name("other.h5"), features=np.ones((3, 4)))
    layout = h5py.VirtualLayout((3, 4), "f8")
    layout[:] = h5py.VirtualSource(path.with_name("other.h5"), "features", (3, 4))
    with h5py.File(path, "w") as file:
        file.create_virtual_dataset("features", layout)


def bomb(path: Path) -> None:
    with h5py.File(path, "w") as file:
        file.create_dataset("features", (2**45, 64), "f4", chunks=(1, 64))


FEATURES: dict[str, tuple[Callable[[Path], Any], str, str]] = {
    "an external link": (linked, "features_elsewhere", "features"),
    "an external link behind a soft one": (
        linked_by_way_of_a_group, "features_elsewhere", "features",
    ),
    "external storage": (stored_elsewhere, "features_elsewhere", "features"),
    "a virtual dataset": (virtual, "features_elsewhere", "features"),
    "a bomb": (bomb, "features_unreadable", ""),
    "a group": (
        lambda p: h5py.File(p, "w").create_group("features"),
        "features_wrong_type", "features is not a dataset",
    ),
    "a link to nowhere": (
        lambda p: h5py.File(p, "w").__setitem__("features", h5py.SoftLink("/gone")),
        "features_unreadable", "",
    ),
    "words": (
        lambda p: write_hdf5(p, features=[["a", "b"]]), "features_wrong_type", "features is object",
    ),
    "objects of any length": (
        lambda p: h5py.File(p, "w").create_dataset("features", (3,), h5py.vlen_dtype(np.uint8)),
        "features_wrong_type", "features is object",
    ),
    "records": (
        lambda p: write_hdf5(p, features=np.zeros(3, [("a", "f4"), ("b", "i4")])),
        "features_wrong_type", "features is [",
    ),
    "complex numbers": (
        lambda p: write_hdf5(p, features=np.ones((3, 4), complex)),
        "features_wrong_type", "complex",
    ),
    "a scalar": (lambda p: write_hdf5(p, features=1.0), "features_wrong_type", "shape ()"),
    "complex coords": (
        lambda p: write_hdf5(p, features=np.ones((3, 4)), coords=np.ones((3, 2), complex)),
        "coords_wrong", "complex",
    ),
    "coords of words": (
        lambda p: write_hdf5(p, features=np.ones((3, 4)), coords=[["a", "b"]] * 3),
        "coords_wrong", "object",
    ),
    "infinite features": (
        lambda p: write_hdf5(p, features=np.full((3, 4), np.inf)),
        "features_not_finite", "3 of 3 patches",
    ),
    "text": (lambda p: p.write_text("x"), "features_unreadable", ""),
    "nothing": (lambda p: p.touch(), "features_unreadable", ""),
}  # fmt: skip


@pytest.mark.parametrize("case", FEATURES)
def test_a_wrong_file_of_features_is_listed(tmp_path: Path, case: str) -> None:
    make, code, detail = FEATURES[case]
    made = make(tmp_path / "S.h5")
    if isinstance(made, h5py.HLObject):
        made.file.close()
    with pytest.raises(external.Unusable) as caught:
        external.read_features(tmp_path / "S.h5")
    reason = caught.value.reason
    assert reason.code == code
    assert detail in reason.detail
    assert reason.detail
    assert reason.remedy
    assert "\n" not in str(caught.value)


@given(st.integers(0, 10**6), st.binary(min_size=1, max_size=8))
def test_a_damaged_file_of_features_is_read_or_listed(
    tmp_path_factory: pytest.TempPathFactory, place: int, content: bytes
) -> None:
    path = tmp_path_factory.getbasetemp() / "damaged.h5"
    write_hdf5(path, features=np.ones((3, 4)), coords=np.zeros((3, 2)))
    overwrite(path, place % path.stat().st_size, content)
    try:
        features, _ = external.read_features(path)
        assert np.isfinite(features).all()
    except external.Unusable:
        pass


CLINICAL: dict[str, tuple[str, str | bytes, str]] = {
    "nothing": ("t.csv", "", "cannot be read"),
    "nobody": ("t.csv", "id,a\nX,1\n", "names no patient"),
    "a patient twice": ("t.csv", "id,a\nP0,1\nP0,2\n", "two rows of P0"),
    "no feature": ("t.csv", "id\nP0\n", "no column of features"),
    "words": ("t.csv", "id,a\nP0,high\n", "not a number"),
    "no number at all": ("t.csv", "id,a\nP0,\n", "all finite numbers"),
    "infinite": ("t.csv", "id,a\nP0,inf\n", "all finite numbers"),
    "ragged": ("t.csv", "id,a\nP0,1\nP1,1,2,3\n", "cannot be read"),
    "not Parquet": ("t.parquet", "PAR1 no PAR1", "cannot be read"),
    "Parquet of nothing": ("t.parquet", b"", "cannot be read"),
}


@pytest.mark.parametrize("case", CLINICAL)
def test_a_wrong_table_of_features_is_refused(tmp_path: Path, case: str) -> None:
    name, content, named = CLINICAL[case]
    path = tmp_path / name
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    with pytest.raises(HistotransferError) as caught:
        external.pool_table(
            path, {p: p for p in PATIENTS}, tmp_path / "p.h5", tmp_path / "u.tsv", extractor="E"
        )
    assert_clear(caught.value, str(path), named)
    assert [file.name for file in tmp_path.iterdir()] == [name]


@given(st.binary(max_size=100), st.booleans())
def test_any_bytes_are_a_table_of_features_or_refused(
    tmp_path_factory: pytest.TempPathFactory, content: bytes, parquet: bool
) -> None:
    folder = tmp_path_factory.getbasetemp()
    path = folder / ("any.parquet" if parquet else "any.csv")
    if parquet:
        pd.DataFrame({"id": PATIENTS, "a": 1.0}).to_parquet(path, engine="fastparquet")
        whole = path.read_bytes()
        content = whole[: len(whole) // 2] + content + whole[len(whole) // 2 + len(content) :]
    path.write_bytes(content)
    try:
        external.pool_table(
            path, {p: p for p in PATIENTS}, folder / "p.h5", folder / "u.tsv", extractor="E"
        )
    except HistotransferError as error:
        assert_clear(error, path.name)
