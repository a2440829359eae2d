"""What is wrong with labels is known at the start: too few patients, nobody, one class."""

from __future__ import annotations

from pathlib import Path

import pytest

from histotransfer.core.errors import HistotransferError
from histotransfer.evaluation.start_checks import check_labels
from histotransfer.study.tasks import LabelParameters
from support.errors import assert_clear
from support.tasks import splitting

PATIENTS = [f"TCGA-{site}-{number:04d}" for site in ("05", "44", "50") for number in range(4)]


def checked(
    source: dict[str, str], kind: str = "mutation", classes: list[str] | None = None, **split
) -> list[str]:
    labels = LabelParameters(kind, source, "all", "none", classes=classes)
    return list(check_labels(labels, PATIENTS, splitting(1, **{"folds": 3, **split})))


def table(folder: Path, *columns: str, patients: list[str] = PATIENTS) -> dict[str, str]:
    """Write a table of labels, a text of cells a column."""
    rows = ["\t".join(["patient", *(f"G{i}" for i in range(len(columns)))])]
    rows += ["\t".join([p, *cells]) for p, *cells in zip(patients, *columns, strict=False)]
    (folder / "labels.tsv").write_text("\n".join(rows) + "\n")
    return {"table": str(folder / "labels.tsv")}


def test_labels_that_carry_the_study_pass(tmp_path: Path):
    assert checked(table(tmp_path, "010101010101")) == []
    for kind in ("expression", "regression"):
        assert checked(table(tmp_path, "123456789012"), kind) == []
    assert checked(table(tmp_path, "aaaaaabbbbbb"), "multiclass") == []


@pytest.mark.parametrize("kind", ["mutation", "binary"])
def test_targets_that_cannot_be_compared_are_named(tmp_path: Path, kind: str):
    source = table(tmp_path, "010101010101", "000000000000", "000000000011", "111111111111")
    assert checked(source, kind) == [
        "2 of 4 targets have one class only: G1, G3",
        "1 of 4 targets have fewer than 6 patients of a class: G2",
    ]


@pytest.mark.parametrize(
    ("columns", "patients", "split", "message"),
    [
        (["01"], PATIENTS[:2], {}, "labels 2 of the 12 patients of the slide sheet: too few for 3"),
        (["01010101"], PATIENTS[:8], {"group_by": "site"}, "8 of the 12 .*, of 2 sites: too few"),
        (["0101"], list("abcd"), {}, "names no patient of the cohort in any column"),
        (["000000000000"], PATIENTS, {}, "patients of one class only, for all of its targets"),
    ],
)
def test_labels_that_cannot_carry_it_are_errors(tmp_path, columns, patients, split, message):
    source = table(tmp_path, *columns, patients=patients)
    with pytest.raises(HistotransferError, match=f"labels.tsv.*{message}"):
        checked(source, **split)


@pytest.mark.parametrize(
    ("classes", "rare", "remedy"),
    [
        ("aaaaaabbbbbb", "", ""),
        ("aaaaaaabbbbb", "'b' 5", "Merge classes by giving them one name"),
        ("aaaaaaaaaabc", "'b' 1, 'c' 1", "Merge classes by giving them one name"),
        ("abcdefghijkl", "'h' 1 and 4 more", "Merge classes by giving them one name"),
        ("123456123456", "'1' 2, '2' 2", "Numbers are predicted by `kind: regression`"),
    ],
)
def test_rare_classes_stop_the_study_with_what_to_do(tmp_path, classes, rare, remedy):
    source = table(tmp_path, classes)
    if not rare:
        assert checked(source, "multiclass") == []
        return
    with pytest.raises(HistotransferError) as caught:
        checked(source, "multiclass")
    assert_clear(caught.value, "labels.tsv", "fewer than 6 patients, 2 for each of 3 folds", rare)
    assert remedy in caught.value.remedy


def test_rare_classes_can_be_left_out_by_the_key_that_the_error_names(tmp_path: Path):
    source = table(tmp_path, "aaaabbbbbccc")
    with pytest.raises(
        HistotransferError, match=r"'c' 3\..*`classes: \[a, b\]` leaves the others'"
    ):
        checked(source, "multiclass", folds=2)
    assert checked(source, "multiclass", ["a", "b"], folds=2) == []


def test_of_large_files_only_the_list_of_samples_is_read(tmp_path: Path):
    samples = tmp_path / "samples.tsv"
    source = {"maf": "not/there/yet", "samples": str(samples), "variant_classes": "non-silent"}
    samples.write_text("sample\n" + "".join(f"{p}-01A\n" for p in PATIENTS))
    assert checked(source) == []
    samples.write_text("sample\n" + "".join(f"{p}-01A\n" for p in PATIENTS[:2]))
    with pytest.raises(HistotransferError, match=r"samples.tsv.*labels 2 of the 12"):
        checked(source)
