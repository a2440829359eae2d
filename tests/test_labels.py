"""Labels: what is read, what is left out and why; on made and on real tables."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from study import expression_task, mutation_task, write_cohort, write_patch_features

from histotransfer.errors import HistotransferError
from histotransfer.labels import write_labels
from histotransfer.store import read_table


def labels_of(folder, task, cohort=None, features=None):
    out, excluded = folder / "labels.tsv", folder / "labels.excluded.tsv"
    write_labels(task, out, excluded, cohort_table=cohort, dataset_features=features)
    table = read_table(out, sample="str")
    return table, list(read_table(excluded, item="str").itertuples(index=False, name=None))


def table_at(folder, text, name="table.csv"):
    (folder / name).write_text(text, encoding="utf-8")
    return folder / name


def test_barcodes_normals_duplicates_and_strangers(tmp_path):
    cohort = write_cohort(
        tmp_path / "cohort.tsv", ["TCGA-05-0001", "TCGA-05-0002", "TCGA-05-0003"], ("TCGA-05-0009",)
    )
    table = table_at(
        tmp_path,
        "project,case,sample,A,B\n"
        "LUAD,TCGA-05-0002,TCGA-05-0002-02A,7,7\n"
        "LUAD,TCGA-05-0002,TCGA-05-0002-01A,1,3\n"
        "LUAD,TCGA-05-0001,TCGA-05-0001-11A,9,9\n"
        "LUAD,TCGA-05-0001,TCGA-05-0001-01A,0,1\n"
        "LUAD,TCGA-05-0004,TCGA-05-0004-01A,5,5\n"
        "LUAD,TCGA-05-0009,TCGA-05-0009-01A,5,5\n",
    )
    task = expression_task(table, transform="log2p1", targets=["B", "A"])
    labels, excluded = labels_of(tmp_path, task, cohort)
    assert labels.to_dict("list") == {
        "sample": ["TCGA-05-0001", "TCGA-05-0002"],
        "B": [1.0, 2.0],
        "A": [0.0, 1.0],
    }
    assert excluded == [
        ("TCGA-05-0009", "sample", "no usable patch"),
        ("TCGA-05-0001-11A", "row", "normal sample"),
        ("TCGA-05-0004-01A", "row", "patient not in the cohort"),
        ("TCGA-05-0009-01A", "row", "patient not in the cohort"),
        ("TCGA-05-0002-02A", "row", "a further row of a patient: the first by id is used"),
        ("TCGA-05-0003", "sample", "no row in the labels table"),
    ]


def test_targets_that_cannot_be_used_are_listed(tmp_path):
    cohort = write_cohort(tmp_path / "cohort.tsv", ["007", "008", "NA", "9"])
    table = table_at(
        tmp_path,
        "id\tnote\tNA\tflat\tB\tB\n007\tx\t1\t2\t3\t9\n008\ty\t2\t2\tNA\t9\n"
        "NA\tz\t3\t2\t\t9\n9\tz\t\t\t\t9\n",
        "table.tsv",
    )
    (tmp_path / "panel.txt").write_text("# immune\nNA\n\nflat\nB\nGONE\nnote\nNA\n")
    task = expression_task(table, targets=str(tmp_path / "panel.txt"))
    labels, excluded = labels_of(tmp_path, task, cohort)
    assert labels["sample"].tolist() == ["007", "008", "NA"]
    assert labels.columns.tolist() == ["sample", "NA"]
    assert labels["NA"].tolist() == [1, 2, 3]
    assert excluded == [
        ("B", "column", "a second column of this name: the first is used"),
        ("GONE", "target", "not in the labels table"),
        ("note", "target", "no number in its column"),
        ("flat", "target", "no variance among the cohort's patients"),
        ("B", "target", "no variance among the cohort's patients"),
        ("9", "sample", "no value for any target"),
    ]


def test_mutations_keep_rare_genes_and_empty_cells(tmp_path):
    cohort = write_cohort(tmp_path / "cohort.tsv", ["a", "b", "c"])
    table = table_at(tmp_path, "patient,G,NEVER,H\na,1,0,\nb,0,0,1\nc,,,\n")
    _, excluded = labels_of(tmp_path, mutation_task(table), cohort)
    assert (tmp_path / "labels.tsv").read_text() == "sample\tG\tNEVER\tH\na\t1\t0\t\nb\t0\t0\t1\n"
    assert excluded == [("c", "sample", "no value for any target")]


@pytest.mark.parametrize(
    ("text", "task", "message"),
    [
        ("patient,G\nx,1\n", mutation_task(), r"names no patient of the cohort .* has a, "),
        ("patient,G\na,2\n", mutation_task(), r"column 'G' holds 2\. A mutation table holds 1"),
        (
            "patient,G\na,-1\n",
            expression_task(transform="log2p1"),
            "negative values.*transform: none",
        ),
        ("patient,G\na,1\nb,high\n", expression_task(), "column 'G' holds 'high' for b"),
        ("patient,G\na,inf\nb,1\n", expression_task(), "column 'G' holds 'inf' for a"),
        ("patient,G\na,1\nb,2\n", expression_task(targets=["H"]), "holds no usable target"),
        ("", expression_task(), r"table\.csv: cannot be read as a table"),
    ],
)
def test_unusable_tables_are_errors_that_name_the_cell(tmp_path, text, task, message):
    cohort = write_cohort(tmp_path / "cohort.tsv", ["a", "b"])
    task = {**task, "labels": str(table_at(tmp_path, text))}
    with pytest.raises(HistotransferError, match=message):
        labels_of(tmp_path, task, cohort)


def test_tissue_labels_are_those_of_the_store(tmp_path):
    codes = np.array([1, 0, 2, 1])
    features = write_patch_features(tmp_path / "crc.h5", np.zeros((4, 3)), codes)
    labels, excluded = labels_of(tmp_path, {"kind": "tissue"}, features=features)
    assert labels["sample"].is_monotonic_increasing
    assert labels["tissue"].tolist() == ["CLASS0", "CLASS1", "CLASS1", "CLASS2"]
    assert (labels["sample"].str.split("/").str[0] == labels["tissue"]).all()
    assert (labels["group"] == labels["sample"]).all()
    assert excluded == []


def test_real_expression_table(realdata, tmp_path):
    """589 samples: 528 primary tumours, 59 normals and 2 recurrences of 515 or so patients."""
    path = realdata / "tables" / "luad_tpm_21genes_589samples.csv"
    slides = pd.read_csv(
        realdata / "tables" / "kather_TCGA-LUAD-DX_SLIDE.csv", encoding="utf-8-sig"
    )
    patients = sorted(slides["PATIENT"].unique())
    cohort = write_cohort(tmp_path / "cohort.tsv", patients)
    task = expression_task(path, transform="log2p1")
    labels, excluded = labels_of(tmp_path, task, cohort)
    raw = pd.read_csv(path)
    tumours = raw[~raw["sample_type_name"].str.contains("Normal")]
    assert labels["sample"].tolist() == sorted(set(tumours["case_barcode"]) & set(patients))
    assert labels.shape[1] == 1 + 21
    reasons = pd.Series([reason for _, _, reason in excluded]).value_counts()
    assert reasons["normal sample"] == 59
    missing = set(patients) - set(labels["sample"])
    assert reasons["no row in the labels table"] == len(missing)
    primary = raw[raw["sample_type_name"] == "Primary Tumor"].sort_values("sample_barcode")
    first = primary.drop_duplicates("case_barcode").set_index("case_barcode")["CD274"]
    expected = np.log2(first.loc[labels["sample"]].to_numpy() + 1)
    np.testing.assert_allclose(labels["CD274"], expected)
    # Every row of the table is accounted for: used, or listed.
    rows = [item for item, what, _ in excluded if what == "row"]
    assert len(rows) + len(labels) == 589


def test_real_mutation_table(realdata, tmp_path):
    path = realdata / "tables" / "luad_mutation_status_10genes.csv"
    raw = pd.read_csv(path)
    patients = sorted(raw["SAMPLE_ID"].str[:12].unique())
    cohort = write_cohort(tmp_path / "cohort.tsv", patients)
    labels, excluded = labels_of(tmp_path, mutation_task(path, targets=["TP53", "KRAS"]), cohort)
    assert len(labels) == len(patients)
    assert labels["TP53"].sum() == raw.sort_values("SAMPLE_ID").drop_duplicates()["TP53"].sum()
    assert labels["KRAS"].sum() == 168
    assert excluded == []
