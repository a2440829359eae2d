"""Labels, lists of samples and MAFs as people really have them, each with the right answer."""

from __future__ import annotations

import re
from pathlib import Path

import pandas as pd
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from histotransfer.core.errors import HistotransferError
from histotransfer.core.tables import read_table
from histotransfer.labels.exclusions import EXCLUDED, FLOW
from histotransfer.labels.files import read_labels_file
from histotransfer.labels.task_labels import write_labels
from histotransfer.study.tasks import LabelParameters
from support.tasks import expression_task, mutation_task, write_cohort

TCGA = [f"TCGA-05-{i:04d}" for i in range(1, 11)]


class Read:
    """The labels of a task, and what was listed in reading them."""

    def __init__(self, folder: Path, task: dict[str, object], patients: list[str]) -> None:
        cohort = write_cohort(folder / "cohort.tsv", patients)
        files = [folder / f"out.{name}.tsv" for name in ("labels", "excluded", "flow")]
        write_labels(LabelParameters.of(task), *files, cohort_table=cohort)
        self.values = read_labels_file(files[0]).values
        self.listed = read_table(files[1], EXCLUDED).fillna("")
        self.flow = read_table(files[2], FLOW).set_index("code")

    def details(self, code: str) -> dict[str, str]:
        rows = self.listed[self.listed["code"] == code]
        return dict(zip(rows["item"], rows["detail"], strict=True))


@pytest.fixture
def write(tmp_path):
    def write_text(name: str, *lines: str) -> str:
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text("\n".join(lines) + "\n", encoding="utf-8")
        return str(path)

    return write_text


def maf_task(maf: str, samples: str, classes: object = "non-silent") -> dict[str, object]:
    return mutation_task({"maf": maf, "samples": samples, "variant_classes": classes})


def maf(write, *rows: str, name: str = "x.maf") -> str:
    return write(
        name,
        "Hugo_Symbol\tVariant_Classification\tTumor_Sample_Barcode",
        *(row.replace(" ", "\t") for row in rows),
    )


# -- Whose row is it


def test_a_foreign_id_and_a_typo_change_nothing_for_the_others(tmp_path, write):
    rows = [
        f"{patient},{patient}-{code},{kind},{value}"
        for number, patient in enumerate(TCGA)
        for code, kind, value in (("11A", "Solid Tissue Normal", 900), ("01A", "Tumor", number))
    ]
    rows += ["LUNG-1,LUNG-1-N,Normal,901", "LUNG-1,LUNG-1-T,Tumor,55"]
    table = write("t.csv", "case,sample,sample_type,A", *rows)
    patients = [*TCGA[:8], "LUNG-1", "TCGA-O5-0009"]
    read = Read(tmp_path, expression_task(table), patients)
    assert read.values["A"].to_dict() == {
        "LUNG-1": 55, **{name: n for n, name in enumerate(TCGA[:8])}
    }  # fmt: skip
    assert read.details("no_label_row") == {"TCGA-O5-0009": "perhaps TCGA-05-0009-01A"}
    assert read.details("not_in_cohort") == {
        "TCGA-05-0009-01A": "perhaps TCGA-O5-0009", "TCGA-05-0010-01A": ""
    }  # fmt: skip
    assert len(read.details("normal_sample")) == 11
    assert read.flow.at["id_column", "detail"] == "case and sample"


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.permutations(range(10, 30)), st.booleans())
def test_numbers_as_ids_are_read_from_the_column_of_ids(tmp_path, write, numbers, quoted):
    header, mark = ["", "id", "A", "age"], '"' if quoted else ""
    rows = [[str(i), str(n), str(n * 10), str(n + 1)] for i, n in enumerate(numbers, 1)]
    lines = [",".join(f"{mark}{cell}{mark}" for cell in row) for row in [header, *rows]]
    task = expression_task(write("t.csv", *lines), targets=["A"])
    read = Read(tmp_path, task, [str(i) for i in range(1, 25)])
    assert read.values["A"].to_dict() == {str(n): n * 10 for n in numbers if n < 25}
    assert read.flow.at["id_column", "detail"] == "id"


def test_the_config_names_the_column_of_ids(tmp_path, write):
    table = write("t.csv", "nr,code,A", "1,2,0.5", "2,1,0.25")
    with pytest.raises(HistotransferError, match=r"several places: 'nr', 'code'.*`labels\.id`"):
        Read(tmp_path, expression_task(table), ["1", "2"])
    read = Read(tmp_path, expression_task({"table": table, "id": "code"}), ["1", "2"])
    assert read.values["A"].to_dict() == {"1": 0.25, "2": 0.5}


def test_other_spellings_are_read_and_said(tmp_path, write):
    table = write("t.csv", "patient,A", "1001.0,1", "7,2", "TCGA.05.0001.01A,3", "8,4")
    read = Read(tmp_path, expression_task(table), ["1001", "007", "TCGA-05-0001", "8"])
    assert read.values["A"].to_dict() == {"007": 2, "1001": 1, "8": 4, "TCGA-05-0001": 3}
    assert read.details("id_respelled") == {
        "1001.0": "read as 1001", "7": "read as 007", "TCGA.05.0001.01A": "read as TCGA-05-0001"
    }  # fmt: skip


@pytest.mark.parametrize("order", [1, -1], ids=["symbol first", "number first"])
def test_genes_in_rows_with_two_columns_about_genes(tmp_path, write, order):
    header = "\t".join([*["Hugo_Symbol", "Entrez_Gene_Id"][::order], *map(str, range(1, 21))])
    genes = [
        "\t".join([*[f"GENE{i}", str(i)][::order], *(f"0.{i}{p}" for p in range(1, 21))])
        for i in range(1, 6)
    ]
    read = Read(
        tmp_path, expression_task(write("t.txt", header, *genes)), list(map(str, range(60)))
    )
    assert read.values.shape == (20, 5)
    assert read.values.at["7", "GENE3"] == 0.37
    assert read.flow.at["id_column", "detail"] == "header"
    assert read.details("not_in_cohort") == {}


def test_rows_that_contradict_each_other_are_an_error(tmp_path, write):
    table = write("t.csv", "patient,slide,A", "P1,x,1", "P1,y,1", "P2,z,3")
    assert Read(tmp_path, expression_task(table), ["P1", "P2"]).values["A"].tolist() == [1, 3]
    table = write("t.csv", "patient,slide,A", "P1,x,1", "P1,y,2", "P1,x,1", "P2,z,3")
    with pytest.raises(HistotransferError, match="two rows of P1, with '1' and '2' in column 'A'"):
        Read(tmp_path, expression_task(table), ["P1", "P2"])


# -- The list of samples and the MAF


def test_a_list_links_samples_to_patients(tmp_path, write):
    """As cBioPortal's data_clinical_sample.txt does, with its lines of comments."""
    patients = [f"P-{i:07d}" for i in range(1, 31)]
    samples = write(
        "data_clinical_sample.txt", "#Patient Identifier\tSample Identifier\tCancer Type",
        "#STRING\tSTRING\tSTRING", "PATIENT_ID\tSAMPLE_ID\tCANCER_TYPE",
        *(f"{patient}\t{patient}-T01-IM6\tNSCLC" for patient in patients),
    )  # fmt: skip
    variants = [f"TP53 Missense_Mutation {patient}-T01-IM6" for patient in patients[::2]]
    variants.append(f"KRAS Missense_Mutation {patients[1]}-T01-IM6")
    read = Read(tmp_path, maf_task(maf(write, *variants), samples), patients)
    assert read.values["TP53"].tolist() == [1, 0] * 15
    assert read.values["KRAS"].sum() == 1


def test_of_several_samples_the_first_is_used_and_the_others_variants_are_not(tmp_path, write):
    samples = write("s.tsv", "PATIENT_ID\tSAMPLE_ID", "P1\tS2", "P1\tS1", "P2\tS3")
    variants = maf(write, "A Silent S1", "B Missense_Mutation S1", "A Missense_Mutation S3")
    read = Read(tmp_path, maf_task(variants, samples), ["P1", "P2"])
    assert read.values["A"].to_dict() == {"P1": 0, "P2": 1}
    assert read.values["B"].to_dict() == {"P1": 1, "P2": 0}
    assert read.details("further_row").keys() == {"P1"}
    variants = maf(write, "A Missense_Mutation S2", "A Silent S3")
    read = Read(tmp_path, maf_task(variants, samples), ["P1", "P2"])
    assert read.values["A"].to_dict() == {"P1": 0, "P2": 0}
    assert read.details("other_sample").keys() == {"S2 A Missense_Mutation"}


@pytest.mark.parametrize("spell", [str, str.lower, lambda name: name.replace("-", ".")])
@pytest.mark.parametrize("ending", ["", "-01", "-01A-11D-A1"])
def test_barcodes_are_folded_and_cut(tmp_path, write, spell, ending):
    samples = write("s.tsv", "Barcode", *TCGA)
    rows = [f"TP53 Missense_Mutation {spell(patient + ending)}" for patient in TCGA[:4]]
    read = Read(tmp_path, maf_task(maf(write, *rows), samples), TCGA)
    assert read.values["TP53"].to_dict() == {name: int(name in TCGA[:4]) for name in TCGA}


@pytest.mark.parametrize(
    ("n_listed", "n_strange"), [(0, 3), (1, 5), (4, 1)], ids=["none", "one", "less than half"]
)
def test_a_maf_of_other_samples_is_an_error_that_shows_both_spellings(
    tmp_path, write, n_listed, n_strange
):
    samples = write("s.tsv", "patient", *TCGA)
    rows = [f"A Silent {name}" for name in TCGA[:n_listed]]
    rows += [f"A Silent LUAD-S{i}" for i in range(n_strange)]
    cause = rf"{n_listed} of the 10 listed samples .* {n_strange} samples .*LUAD-S0.*{TCGA[0]}"
    with pytest.raises(HistotransferError, match=rf"x\.maf: is of other samples.*{cause}"):
        Read(tmp_path, maf_task(maf(write, *rows), samples), TCGA)


def test_a_list_of_samples_within_a_larger_maf_is_no_error(tmp_path, write):
    samples = write("s.tsv", "patient", *TCGA)
    rows = [f"A Missense_Mutation {name}" for name in TCGA[:6]]
    rows += [f"A Silent TCGA-09-{i:04d}-01" for i in range(50)]
    read = Read(tmp_path, maf_task(maf(write, *rows), samples), TCGA)
    assert read.values["A"].sum() == 6
    assert len(read.details("other_sample")) == 50


def test_a_variant_of_unknown_class_is_neither_wild_type_nor_mutated(tmp_path, write):
    samples = write("s.tsv", "patient", "P1", "P2", "P3")
    rows = maf(write, "A Unknown P1", "A Unknown P2", "A Missense_Mutation P2", "A Silent P3")
    read = Read(tmp_path, maf_task(rows, samples), ["P1", "P2", "P3"])
    assert read.values["A"].to_dict() == {"P2": 1, "P3": 0}
    assert list(read.details("class_not_given")) == ["P1 A Unknown", "P2 A Unknown"]


def test_quotation_marks_in_a_maf_lose_no_variant(tmp_path, write):
    notes = ["x", "x", '"5-prime repeat', "x", '3" end', "x", '"', "x", '"ok"', "x #1"]
    path = write(
        "a.maf", "#version 2.4", "Hugo_Symbol\tnote\tVariant_Classification\tTumor_Sample_Barcode",
        *(f"TP53\t{note}\tMissense_Mutation\t{patient}-01A"
          for note, patient in zip(notes, TCGA, strict=True)),
    )  # fmt: skip
    read = Read(tmp_path, maf_task(path, write("s.tsv", "Barcode", *TCGA)), TCGA)
    assert read.values["TP53"].tolist() == [1] * 10
    assert read.details("literal_quotes") == {"a.maf": "2 rows"}


SHEET = "File ID\tFile Name\tCase ID\tSample ID\tSample Type"


@pytest.mark.parametrize("order", [1, -1])
def test_in_a_sheet_of_pairs_the_tumour_is_taken(tmp_path, write, order):
    rows = []
    for number, name in enumerate(TCGA):
        pair = [(f"{name}-10A", "Blood Derived Normal"), (f"{name}-01A", "Primary Tumor")]
        ids, kinds = (", ".join(of) for of in zip(*pair[::order], strict=True))
        rows.append(f"id{number}\t{number}.maf.gz\t{name}, {name}\t{ids}\t{kinds}")
        gene = "TP53" if number % 2 else "KRAS"
        variant = f"{gene} {'Missense_Mutation' if number % 2 else 'Silent'} {name}-01A-11D-1"
        maf(write, variant, name=f"mafs/id{number}/{number}.maf")
    for name in ("mafs/id0/logs/0.maf", "mafs/id1/._1.maf", "mafs/.hidden/2.maf"):
        write(name, "no MAF")
    task = maf_task(str(tmp_path / "mafs"), write("sheet.tsv", SHEET, *rows))
    read = Read(tmp_path, task, TCGA)
    assert read.values["TP53"].tolist() == [0, 1] * 5
    assert len(read.details("normal_sample")) == 10


@pytest.mark.parametrize("columns", ["normal,tumor", "tumor,normal", "Sample 1,Sample 2"])
def test_in_a_column_each_the_tumour_is_taken_too(tmp_path, write, columns):
    first = "10A" if columns.startswith(("normal", "Sample")) else "01A"
    second = "01A" if first == "10A" else "10A"
    samples = write("s.csv", columns, *(f"{name}-{first},{name}-{second}" for name in TCGA))
    rows = maf(write, *(f"A Missense_Mutation {name}-01A-11D" for name in TCGA[:5]))
    read = Read(tmp_path, maf_task(rows, samples), TCGA)
    assert read.values["A"].tolist() == [1] * 5 + [0] * 5


def test_a_table_without_any_label_is_an_error_of_its_own(tmp_path, write):
    table = write("t.csv", "sample,A", *(f"{name}-11A,1" for name in TCGA))
    cause = r"t\.csv: has .*is a normal or control sample"
    with pytest.raises(HistotransferError, match=cause):
        Read(tmp_path, mutation_task(table), TCGA)


# -- What a cell says


def test_a_mutation_table_of_words(tmp_path, write):
    table = write(
        "m.txt", "STUDY_ID\tSAMPLE_ID\tTP53\tKRAS", "s\tTCGA-05-0001-01\tWT\tNS",
        "s\tTCGA-05-0002-01\tR273H\tNS", "s\tTCGA-05-0003-01\tNS\tG12C",
        "s\tTCGA-05-0004-01\tNP\twild type", "s\tTCGA-05-0005-01\tfalse\tMUT",
    )  # fmt: skip
    read = Read(tmp_path, mutation_task(table), TCGA[:5])
    nothing = pd.NA
    expected = {"TP53": [0, 1, nothing, nothing, 0], "KRAS": [nothing, nothing, 1, 0, 1]}
    for gene, values in expected.items():
        for found, value in zip(read.values[gene], values, strict=True):
            assert pd.isna(found) if value is nothing else found == value
    assert re.fullmatch("TCGA-05-0001 has 's', .*", read.details("no_number")["STUDY_ID"])


@pytest.mark.parametrize(("name", "separator"), [("t.txt", ","), ("t.csv", "\t"), ("t.csv", ";")])
def test_separators_under_another_ending(tmp_path, write, name, separator):
    lines = [separator.join(("patient", "A"))]
    lines += [separator.join((patient, f"{n},5" if separator == ";" else f"{n}.5"))
              for n, patient in enumerate(TCGA)]  # fmt: skip
    read = Read(tmp_path, expression_task(write(name, *lines)), TCGA)
    assert read.values["A"].tolist() == [n + 0.5 for n in range(10)]
    assert read.details("other_separator").keys() == {name}
    assert bool(read.details("decimal_commas")) == (separator == ";")


def test_true_and_false_are_mutations_but_no_numbers(tmp_path, write):
    rows = [f"{patient},{n % 2 == 0}" for n, patient in enumerate(TCGA)]
    table = write("t.csv", "patient,TP53", *rows)
    assert Read(tmp_path, mutation_task(table), TCGA).values["TP53"].tolist() == [1, 0] * 5
    with pytest.raises(HistotransferError, match="TCGA-05-0001 has 'True', which is not a number"):
        Read(tmp_path, expression_task(table), TCGA)
