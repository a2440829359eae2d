"""Labels: what is read, what is left out and why; on made and on real tables."""

from __future__ import annotations

import re

import numpy as np
import pandas as pd
import pytest

from histotransfer.core.errors import HistotransferError
from histotransfer.core.hdf5 import create_store
from histotransfer.core.tables import read_table
from histotransfer.labels.exclusions import EXCLUDED, FLOW, Excluded
from histotransfer.labels.files import read_labels_file
from histotransfer.labels.molecular import star_tpm
from histotransfer.labels.targets import columns_of, symbols, wanted_targets
from histotransfer.labels.task_labels import write_labels
from histotransfer.study.tasks import LabelParameters
from support.root import ROOT
from support.tasks import (
    TISSUE_TASK,
    expression_task,
    mutation_task,
    write_cohort,
    write_patch_features,
    write_pooled,
)


def flow_of(folder):
    table = read_table(folder / "flow.tsv", FLOW).fillna({"code": ""})
    table = table[table["code"] != "id_column"]
    return table.set_index(["step", "what", "code"])["n"].to_dict()


def id_column_of(folder):
    table = read_table(folder / "flow.tsv", FLOW).set_index("code")
    return table.at["id_column", "detail"]


def labels_of(folder, task, cohort=None, **inputs):
    """Return the labels as a table, and item, what and code of what is listed beside the ids."""
    out, excluded = folder / "labels.tsv", folder / "labels.excluded.tsv"
    write_labels(
        LabelParameters.of(task), out, excluded, folder / "flow.tsv",
        cohort_table=cohort, **inputs,
    )  # fmt: skip
    labels = read_labels_file(out)
    if cohort is not None:
        assert labels.group.tolist() == labels.samples
    left_out = read_table(excluded, EXCLUDED)[["item", "what", "code"]]
    left_out = left_out[left_out["code"] != "id_column"]
    return labels.values.copy().reset_index(), list(left_out.itertuples(index=False, name=None))


def details_of(folder):
    table = read_table(folder / "labels.excluded.tsv", EXCLUDED).dropna(subset=["detail"])
    return dict(zip(table["item"], table["detail"], strict=True))


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
        ("TCGA-05-0009", "patient", "no_usable_patch"),
        ("TCGA-05-0001-11A", "row", "normal_sample"),
        ("TCGA-05-0004-01A", "row", "not_in_cohort"),
        ("TCGA-05-0009-01A", "row", "not_in_cohort"),
        ("TCGA-05-0002-02A", "row", "further_row"),
        ("TCGA-05-0003", "patient", "no_label_row"),
    ]


def test_patients_whom_an_extractor_lacks_are_left_out(tmp_path):
    cohort = write_cohort(tmp_path / "cohort.tsv", ["a", "b", "c", "d"])
    table = table_at(tmp_path, "id,G\na,1\nb,2\nc,3\nd,4\n")
    pooled = [
        write_pooled(tmp_path / f"{name}.h5", np.zeros((len(names), 2)), names, name)
        for name, names in (("UNI", ["a", "b", "c"]), ("CLINICAL", ["a", "b", "d"]))
    ]
    labels, excluded = labels_of(tmp_path, expression_task(table), cohort, pooled=pooled)
    assert labels["sample"].tolist() == ["a", "b"]
    assert excluded[:2] == [("d", "patient", "no_features"), ("c", "patient", "no_features")]
    assert details_of(tmp_path) == {"d": "UNI", "c": "CLINICAL"}
    remedies = read_table(tmp_path / "labels.excluded.tsv", EXCLUDED)["remedy"]
    assert remedies[0] == "See pooled/UNI.used.tsv"
    assert flow_of(tmp_path)["left_out", "patient", "no_features"] == 2
    write_pooled(pooled[1], np.zeros((1, 2)), ["d"], "CLINICAL")
    with pytest.raises(HistotransferError, match="no patient that all extractors share"):
        labels_of(tmp_path, expression_task(table), cohort, pooled=pooled)


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
        ("B", "column", "repeated_column"),
        ("GONE", "target", "not_in_labels"),
        ("note", "target", "no_number"),
        ("flat", "target", "no_variance"),
        ("B", "target", "no_variance"),
        ("9", "patient", "no_label_value"),
    ]


def test_a_panel_finds_genes_under_their_earlier_symbols(tmp_path):
    cohort = write_cohort(tmp_path / "cohort.tsv", ["a", "b"])
    table = table_at(
        tmp_path,
        "id,C10orf54,ELTD1,ADGRL4,OLD,NOW,GITR\na,1,8,3,5,7,1\nb,2,9,4,6,8,0\n",
    )
    panel = tmp_path / "panel.tsv"
    panel.write_text(
        "# a panel\ngene\tprevious\tset\nVSIR\tB7H5|C10orf54\ts\nADGRL4\tELTD1\ts\n"
        "GONE\tX|Y\ts\nSECOND\tNOW|OLD\ts\nNOW\t\ts\n"
    )
    labels, excluded = labels_of(tmp_path, expression_task(table, targets=str(panel)), cohort)
    assert labels.iloc[:, 1:].to_dict("list") == {
        "VSIR": [1, 2],
        "ADGRL4": [3, 4],  # the present symbol comes before the earlier one
        "SECOND": [5, 6],  # NOW was its symbol, and is another target's
        "NOW": [7, 8],
    }
    assert excluded == [
        ("GONE", "target", "not_in_labels"),
        ("VSIR", "target", "earlier_symbol"),
        ("SECOND", "target", "earlier_symbol"),
    ]
    assert details_of(tmp_path) == {"VSIR": "C10orf54", "SECOND": "OLD"}
    panel.write_text("symbol\tprevious\nVSIR\tC10orf54\n")
    with pytest.raises(HistotransferError, match=r"panel\.tsv: has no column `gene`"):
        labels_of(tmp_path, expression_task(table, targets=str(panel)), cohort)


def test_our_panel_is_sound():
    path = ROOT / "config/panels/immune.tsv"
    panel = pd.read_csv(path, sep="\t", comment="#", keep_default_na=False)
    assert list(panel) == ["gene", "previous", "set"]
    assert len(panel) == 184
    assert panel["gene"].is_unique
    assert panel["gene"].is_monotonic_increasing
    assert set("|".join(panel["set"]).split("|")) == {"Thorsson2018", "MCP-counter"}
    previous = [name for names in panel["previous"] for name in names.split("|") if name]
    assert len(previous) == len(set(previous)) > 100
    assert not set(previous) & set(panel["gene"])
    for licence in ("Apache-2.0", "CC0"):
        assert licence in path.read_text()


def test_our_panel_in_real_star_counts(realdata):
    """Of 184 genes all but five are in GENCODE v36; some under an earlier symbol."""
    panel = wanted_targets(str(ROOT / "config/panels/immune.tsv"))
    folder, excluded = realdata / "tables", Excluded()
    files = pd.Series({"p": "gdc_star_counts_one_LUAD_sample.tsv"})
    tpm = star_tpm(folder, files, symbols(panel), excluded)
    tpm = columns_of(panel, tpm, folder, excluded)
    listed = pd.DataFrame(excluded).set_index("item")
    absent = listed.index[listed["code"] == "not_in_labels"]
    # Genes of other haplotypes than the reference's, and one without an approved symbol.
    assert sorted(absent) == ["HLA-DRB3", "HLA-DRB4", "KIR2DL2", "KIR3DS1", "MGC40069"]
    assert tpm.shape[1] == 184 - 5
    assert listed.loc["VNN3P", ["code", "detail"]].tolist() == ["earlier_symbol", "VNN3"]
    assert not {"C", "C10orf54"} & set(tpm)
    assert {"CAVIN2", "VSIR"} <= set(tpm)


def test_mutations_keep_rare_genes_and_empty_cells(tmp_path):
    cohort = write_cohort(tmp_path / "cohort.tsv", ["a", "b", "c"])
    table = table_at(tmp_path, "patient,G,NEVER,H\na,1,0,\nb,0,0,1\nc,,,\n")
    _, excluded = labels_of(tmp_path, mutation_task(table), cohort)
    assert (
        tmp_path / "labels.tsv"
    ).read_text() == "sample\tgroup\tG\tNEVER\tH\na\ta\t1\t0\t\nb\tb\t0\t0\t1\n"
    assert excluded == [("c", "patient", "no_label_value")]


@pytest.mark.parametrize(
    ("text", "task", "message"),
    [
        ("patient,G\nx,1\n", mutation_task(), r"names no patient of the cohort .* has a, "),
        ("patient,G\na,2\n", mutation_task(), r"column 'G' holds 2\. Write 1 \(mutated\)"),
        (
            "patient,G\na,-1\n",
            expression_task(transform="log2p1"),
            "negative values.*transform: none",
        ),
        ("patient,G\na,1\nb,high\n", expression_task(), "column 'G' holds 'high' for b"),
        ("patient,G\na,inf\nb,1\n", expression_task(), "column 'G' holds 'inf' for a"),
        ("patient,G\na,1\nb,2\n", expression_task(targets=["H"]), "has no usable target"),
        ("", expression_task(), r"table\.csv: cannot be read as a table"),
    ],
)
def test_unusable_tables_are_errors_that_name_the_cell(tmp_path, text, task, message):
    cohort = write_cohort(tmp_path / "cohort.tsv", ["a", "b"])
    task = {**task, "labels": {"table": str(table_at(tmp_path, text))}}
    with pytest.raises(HistotransferError, match=message):
        labels_of(tmp_path, task, cohort)


def test_patches_are_compared_that_every_tool_has(tmp_path):
    codes = np.array([1, 0, 2, 1, 0])
    store = write_patch_features(tmp_path / "d.h5", np.zeros((5, 4)), codes)
    names = [f"CLASS{code}/{i:04d}.tif" for i, code in enumerate(codes)]

    def write_tool(name, known):
        attrs = {"extractor": name, "dataset": "D"}
        with create_store(tmp_path / f"{name}.h5", "features/1", attrs) as file:
            file["names"] = known
        return tmp_path / f"{name}.h5"

    uni, conch = write_tool("UNI", names[1:]), write_tool("CONCH", [*names[:3], names[4]])
    labels, left_out = labels_of(tmp_path, TISSUE_TASK, patches=store, features=[uni, conch])
    assert labels["sample"].tolist() == sorted([names[1], names[2], names[4]])
    assert left_out == [(names[0], "patch", "no_features"), (names[3], "patch", "no_features")]
    assert details_of(tmp_path) == {names[0]: "UNI", names[3]: "CONCH"}
    table = read_table(tmp_path / "labels.excluded.tsv", EXCLUDED)
    assert table["remedy"].tolist()[0] == "See features/UNI/D.used.tsv"
    assert flow_of(tmp_path)["left_out", "patch", "no_features"] == 2
    with pytest.raises(HistotransferError, match=r"no patch that all.*features/UNI/D\.used\.tsv"):
        labels_of(tmp_path, TISSUE_TASK, patches=store, features=[uni, write_tool("X", names[:1])])
    one_class = write_tool("X", [names[1], names[4]])
    with pytest.raises(HistotransferError, match="patches of one class only"):
        labels_of(tmp_path, TISSUE_TASK, patches=store, features=[uni, one_class])


def test_tissue_labels_are_those_of_the_store(tmp_path):
    codes = np.array([1, 0, 2, 1])
    features = write_patch_features(tmp_path / "crc.h5", np.zeros((4, 3)), codes)
    labels, excluded = labels_of(tmp_path, TISSUE_TASK, patches=features)
    assert labels["sample"].is_monotonic_increasing
    assert labels["class"].tolist() == ["CLASS0", "CLASS1", "CLASS1", "CLASS2"]
    assert (labels["sample"].str.split("/").str[0] == labels["class"]).all()
    assert read_labels_file(tmp_path / "labels.tsv").group.tolist() == labels["sample"].tolist()
    assert excluded == []


def test_a_matrix_may_have_genes_in_rows(tmp_path):
    cohort = write_cohort(tmp_path / "cohort.tsv", ["TCGA-05-0001", "TCGA-05-0002"])
    table = table_at(
        tmp_path,
        "gene\tTCGA-05-0002-01A\tTCGA-05-0001-01A\tTCGA-05-0001-11A\tTCGA-05-0003-01A\n"
        "A\t1\t2\t9\t5\nB\t3\t4\t9\t5\nA\t8\t8\t8\t8\n",
        "table.tsv",
    )
    labels, excluded = labels_of(tmp_path, expression_task(table), cohort)
    assert labels.to_dict("list") == {
        "sample": ["TCGA-05-0001", "TCGA-05-0002"],
        "A": [2, 1],
        "B": [4, 3],
    }
    assert excluded == [
        ("A", "column", "repeated_column"),
        ("TCGA-05-0001-11A", "row", "normal_sample"),
        ("TCGA-05-0003-01A", "row", "not_in_cohort"),
    ]
    assert flow_of(tmp_path) == {
        ("came_in", "patient", ""): 2,
        ("came_in", "row", ""): 4,
        ("left_out", "column", "repeated_column"): 1,
        ("left_out", "row", "normal_sample"): 1,
        ("left_out", "row", "not_in_cohort"): 1,
        ("labelled", "patient", ""): 2,
        ("labelled", "target", ""): 2,
    }


def test_columns_with_a_suffix_are_the_targets_and_are_clipped(tmp_path):
    cohort = write_cohort(tmp_path / "cohort.tsv", ["a", "b", "c"])
    table = table_at(tmp_path, "id,age,A_rna,A_cnv,B_rna\na,1,7378,1,2\nb,2,-1,0,3\nc,3,-20,0,4\n")
    source = {"table": str(table), "suffix": "_rna"}
    task = {**expression_task(), "labels": source, "transform": {"clip": 10}}
    labels, excluded = labels_of(tmp_path, task, cohort)
    assert labels.to_dict("list") == {"sample": ["a", "b", "c"], "A": [10, -1, -10], "B": [2, 3, 4]}
    assert excluded == [("A", "target", "values_clipped")]
    assert details_of(tmp_path) == {"A": "±10"}
    with pytest.raises(HistotransferError, match="no column that ends in '_xyz'"):
        labels_of(tmp_path, {**task, "labels": {**source, "suffix": "_xyz"}}, cohort)


def test_protein_changes_are_mutations_and_wt_is_not(tmp_path):
    cohort = write_cohort(tmp_path / "cohort.tsv", ["a", "b", "c", "d"])
    table = table_at(tmp_path, "id,G,H\na,WT,WT\nb,L858R,WT\nc,L210=,NA\nd,M1?,WT\n")
    labels, _ = labels_of(tmp_path, mutation_task(table), cohort)
    assert labels["G"].tolist() == [0, 1, 0, 1]
    assert (tmp_path / "labels.tsv").read_text().splitlines()[3] == "c\tc\t0\t"


MAF = """#version 2.4
Hugo_Symbol\tVariant_Classification\tTumor_Sample_Barcode\tother
A\tMissense_Mutation\tTCGA-05-0001-01A-01D-1000-08\tx
A\tSilent\tTCGA-05-0002-01A-01D-1000-08\tx
B\tNonsense_Mutation\tTCGA-05-0001-02A-01D-1000-08\tx
B\tSilent\tTCGA-05-0001-01A-01D-1000-08\tx
B\tSplice_Site\tTCGA-05-0009-01A-01D-1000-08\tx
"""


@pytest.mark.parametrize(
    ("classes", "a", "b"),
    [("non-silent", [1, 0, 0], [0, 0, 0]), (["Silent"], [0, 1, 0], [1, 0, 0])],
)
def test_a_patient_without_a_variant_is_wild_type_only_if_sequenced(tmp_path, classes, a, b):
    everyone = [f"TCGA-05-000{i}" for i in range(1, 5)]
    cohort = write_cohort(tmp_path / "cohort.tsv", everyone)
    samples = "Barcode\nTCGA-05-0001-01A\nTCGA-05-0001-02A\nTCGA-05-0002-01A\nTCGA-05-0003-01A\n"
    source = {
        "maf": str(table_at(tmp_path, MAF, "x.maf")),
        "samples": str(table_at(tmp_path, samples, "samples.tsv")),
        "variant_classes": classes,
    }
    task = {**mutation_task(targets=["A", "B", "C"]), "labels": source}
    labels, excluded = labels_of(tmp_path, task, cohort)
    assert labels["sample"].tolist() == everyone[:3]
    assert labels.iloc[:, 1:].to_dict("list") == {"A": a, "B": b}
    assert ("TCGA-05-0004", "patient", "no_label_row") in excluded
    variants = [(item[8:], code) for item, what, code in excluded if what == "variant"]
    assert variants[:2] == [
        ("0001-02A-01D-1000-08 B Nonsense_Mutation", "other_sample"),
        ("0009-01A-01D-1000-08 B Splice_Site", "other_sample"),
    ]
    assert len(variants) == 4 if classes == "non-silent" else 3
    assert ("C", "target", "not_in_labels") in excluded


def test_variants_may_come_in_several_files(tmp_path):
    """One by one, in a list, or all that a folder holds at any depth."""
    cohort = write_cohort(tmp_path / "cohort.tsv", [f"TCGA-05-000{i}" for i in (1, 2)])
    samples = table_at(tmp_path, "Barcode\nTCGA-05-0001-01A\nTCGA-05-0002-01A\n", "samples.tsv")
    header, *rows = MAF.splitlines(keepends=True)[1:]
    (tmp_path / "mafs/deeper").mkdir(parents=True)
    first = table_at(tmp_path / "mafs", header + rows[0] + rows[1], "a.maf")
    second = table_at(tmp_path / "mafs/deeper", header + rows[3] + rows[4], "b.maf")
    source = {"samples": str(samples), "variant_classes": ["Silent", "Missense_Mutation"]}
    task = mutation_task(targets="all")
    found = {}
    for name, maf in {
        "folder": str(tmp_path / "mafs"), "list": [str(first), str(second)], "one": str(first)
    }.items():  # fmt: skip
        labels, _ = labels_of(tmp_path, {**task, "labels": {**source, "maf": maf}}, cohort)
        found[name] = labels.set_index("sample").T.to_dict("list")
    assert found["folder"] == found["list"]
    assert found["one"] == {"TCGA-05-0001": [1], "TCGA-05-0002": [1]}
    assert found["list"] == {"TCGA-05-0001": [1, 1], "TCGA-05-0002": [1, 0]}
    (tmp_path / "none").mkdir()
    with pytest.raises(HistotransferError, match=r"none: holds no MAF\. Correct `maf`"):
        labels_of(tmp_path, {**task, "labels": {**source, "maf": str(tmp_path / "none")}}, cohort)


STAR = """# gene-model: GENCODE v36
gene_id\tgene_name\tgene_type\tunstranded\ttpm_unstranded
N_unmapped\t\t\t9\t
ENSG1.1\tA\tx\t1\t{a}
ENSG2.1\tB\tx\t1\t{b}
ENSG2.1_PAR_Y\tB\tx\t1\t1
ENSG3.1\tNA\tx\t1\t0
"""


def test_star_counts_are_read_by_the_sample_sheet(tmp_path):
    cohort = write_cohort(tmp_path / "cohort.tsv", [f"TCGA-05-000{i}" for i in range(1, 4)])
    for name, a, b in (("x", 3, 1), ("y", 7, 2)):
        (tmp_path / "gdc" / name).mkdir(parents=True)
        (tmp_path / "gdc" / name / f"{name}.tsv").write_text(STAR.format(a=a, b=b))
    sheet = "File ID\tFile Name\tCase ID\tSample ID\n" + "".join(
        f"{number}\t{name}.tsv\t{sample[:12]}\t{sample}\n"
        for number, (name, sample) in enumerate(
            [
                ("x", "TCGA-05-0001-01A"), ("n", "TCGA-05-0001-11A"),
                ("y", "TCGA-05-0002-01A"), ("gone", "TCGA-05-0003-01A"),
            ]
        )
    )  # fmt: skip
    source = {
        "star_counts": str(tmp_path / "gdc"), "samples": str(table_at(tmp_path, sheet, "s.tsv"))
    }  # fmt: skip
    task = {**expression_task(transform="log2p1"), "labels": source}
    labels, excluded = labels_of(tmp_path, task, cohort)
    assert labels.to_dict("list") == {
        "sample": ["TCGA-05-0001", "TCGA-05-0002"],
        "A": [2.0, 3.0],
        "B": [np.log2(3), 2.0],
    }
    assert excluded == [
        ("TCGA-05-0001-11A", "row", "normal_sample"),
        ("TCGA-05-0003", "patient", "no_label_file"),
        ("B", "target", "rows_summed"),
        ("NA", "target", "no_variance"),
    ]
    assert details_of(tmp_path)["B"] == "2 rows"
    for name in ("gone", "other"):  # a file that the sheet does not name may be there twice
        (tmp_path / "gdc" / name).mkdir()
        (tmp_path / "gdc" / name / "other.tsv").write_text(STAR.format(a=1, b=1))
    assert labels_of(tmp_path, task, cohort)[1] == excluded
    (tmp_path / "gdc" / "other" / "y.tsv").write_text(STAR.format(a=1, b=1))
    twice = r"y\.tsv: has the name of \S+y\.tsv\. Keep the one that the sample sheet means"
    with pytest.raises(HistotransferError, match=twice):
        labels_of(tmp_path, task, cohort)
    (tmp_path / "gdc" / "other" / "y.tsv").unlink()
    (tmp_path / "gdc" / "x" / "x.tsv").write_text("a\tb\n1\t2\n")
    with pytest.raises(HistotransferError, match=r"x\.tsv: is not a STAR-counts file of the GDC"):
        labels_of(tmp_path, task, cohort)


def test_labels_of_nobody_are_an_error_that_counts_the_reasons(tmp_path):
    patients = [f"TCGA-05-000{i}" for i in range(1, 5)]
    cohort = write_cohort(tmp_path / "cohort.tsv", patients)
    rows = "".join(f"{patient}-11A\t1\n" for patient in patients[:3])
    table = table_at(tmp_path, f"patient\tG\n{rows}", "t.tsv")
    with pytest.raises(HistotransferError) as caught:
        labels_of(tmp_path, expression_task(table), cohort)
    assert "t.tsv: has a label for no patient of the cohort; " in str(caught.value)
    assert "; TCGA-05-0001-11A and 2 more: it is a normal" in str(caught.value)
    assert "; TCGA-05-0001 and 3 more: it " in str(caught.value)
    table.write_text(f"patient\tG\n{patients[0]}-11A\t1\n")
    with pytest.raises(HistotransferError, match=r"; TCGA-05-0001-11A is a normal"):
        labels_of(tmp_path, expression_task(table), cohort)


@pytest.fixture(scope="module")
def tcga(realdata, tmp_path_factory):
    """Write the cohort of all patients of TCGA-LUAD that have a diagnostic slide."""
    slides = pd.read_csv(
        realdata / "tables" / "kather_TCGA-LUAD-DX_SLIDE.csv", encoding="utf-8-sig"
    )
    patients = sorted(slides["PATIENT"].unique())
    return write_cohort(tmp_path_factory.mktemp("tcga") / "cohort.tsv", patients)


def test_one_real_star_file(realdata, tmp_path):
    cohort = write_cohort(tmp_path / "cohort.tsv", ["TCGA-05-0001", "TCGA-05-0002"])
    real = realdata / "tables" / "gdc_star_counts_one_LUAD_sample.tsv.gz"
    (tmp_path / "gdc").mkdir()
    for name in ("one", "two"):
        (tmp_path / "gdc" / f"{name}.tsv.gz").symlink_to(real)
    sheet = "File Name\tSample ID\none.tsv\tTCGA-05-0001-01A\ntwo.tsv\tTCGA-05-0002-01A\n"
    source = {
        "star_counts": str(tmp_path / "gdc"), "samples": str(table_at(tmp_path, sheet, "s.tsv"))
    }  # fmt: skip
    raw = pd.read_csv(real, sep="\t", comment="#").dropna(subset="gene_name")
    excluded = Excluded()
    tpm = star_tpm(tmp_path / "gdc", pd.Series({"p": "one.tsv"}), None, excluded)
    assert tpm.shape == (1, raw["gene_name"].nunique())
    assert tpm.loc["p", "TSPAN6"] == 16.47
    assert tpm.sum(axis=1).item() == pytest.approx(1e6, rel=1e-3)
    counts = raw["gene_name"].value_counts()
    assert len(excluded) == (counts > 1).sum() > 100
    # Twice the same sample: no gene varies, and that is said.
    with pytest.raises(HistotransferError, match="has no usable target"):
        labels_of(tmp_path, {**expression_task(), "labels": source}, cohort)


CLIPPED = {"transform": {"clip": 10}}
REAL_TASKS = {
    "tpm": expression_task("luad_tpm_21genes_589samples.csv", transform="log2p1"),
    "mcat": expression_task(
        {"table": "mcat_tcga_luad_all_clean.csv.zip", "suffix": "_rnaseq"}, **CLIPPED
    ),
    "porpoise": expression_task(
        {"table": "porpoise_tcga_luad_all_clean.csv.zip", "suffix": "_rnaseq"}, **CLIPPED
    ),
    "status": mutation_task("luad_mutation_status_10genes.csv"),
    "protein": mutation_task("katherlab_luad_mutations_1066genes.csv"),
    "maf": mutation_task(
        {
            "maf": "tcgamutations_firehose_LUAD_10genes.maf.tsv",
            "samples": "tcgamutations_firehose_LUAD_samples.tsv",
            "variant_classes": "non-silent",
        }
    ),
}


def real_labels(name, realdata, tmp_path, cohort):
    task = dict(REAL_TASKS[name])
    folder = realdata / "tables"
    task["labels"] = {
        key: str(folder / value) if key in ("table", "maf", "samples") else value
        for key, value in task["labels"].items()
    }
    labels, excluded = labels_of(tmp_path, task, cohort)
    return labels, excluded, flow_of(tmp_path)


@pytest.mark.parametrize("name", REAL_TASKS)
def test_real_tables_give_the_documented_counts(name, realdata, tmp_path, tcga):
    """Every step of docs/labels.md, and nothing else."""
    _, _, flow = real_labels(name, realdata, tmp_path, tcga)
    expected, id_column = documented()[name]
    assert flow == expected
    assert id_column_of(tmp_path) == id_column


def documented():
    """Read the counts from docs/labels.md: a list under each table's heading."""
    counts, name = {}, ""
    for line in (ROOT / "docs/labels.md").read_text(encoding="utf-8").splitlines():
        if line.startswith("### "):
            name = line.removeprefix("### ").split(":")[0].strip("`")
            counts[name] = ({}, "")
        elif found := re.fullmatch(
            r"\| (\w+) \| (\w+) \| (\w*) ?\| ([\d,]+) \|(?: `(.+)`)? ?\|", line
        ):
            if found[3] == "id_column":
                counts[name] = (counts[name][0], found[5])
            else:
                counts[name][0][found.group(1, 2, 3)] = int(found[4].replace(",", ""))
    return counts


def test_the_real_mutation_tables_agree(realdata, tmp_path, tcga):
    """Three sources of the same ten genes: status, protein change, MAF."""
    tables = {
        name: real_labels(name, realdata, tmp_path, tcga)[0].set_index("sample")
        for name in ("status", "protein", "maf")
    }
    genes = sorted(tables["status"].columns)
    status, protein = tables["status"][genes], tables["protein"][genes]
    assert (status.index == protein.index).all()
    # One synonymous change of STK11 is called a mutation by the status table.
    assert (status != protein).sum().sum() <= 1
    both = status.index.intersection(tables["maf"].index)
    agreement = (status.loc[both] == tables["maf"].loc[both, genes]).mean()
    assert (agreement > 0.93).all()


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
    reasons = pd.Series([code for _, _, code in excluded]).value_counts()
    assert reasons["normal_sample"] == 59
    missing = set(patients) - set(labels["sample"])
    assert reasons["no_label_row"] == len(missing)
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
