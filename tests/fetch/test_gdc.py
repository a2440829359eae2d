"""The GDC's search and sheets, and the cohort that comes of them, also at its true size."""

from __future__ import annotations

import gzip
import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import requests
from hypothesis import given
from hypothesis import strategies as st

from histotransfer.core.errors import HistotransferError
from histotransfer.core.exclusions import Reason
from histotransfer.core.tables import read_table
from histotransfer.fetch.gdc import MANIFEST, Gdc, fetch_file, fetch_files
from histotransfer.fetch.gdc_samples import kind_of
from histotransfer.fetch.gdc_sheets import (
    FILES,
    LEFT_OUT,
    PATIENTS,
    SHEETS,
    SLIDES,
    write_sheets,
)
from histotransfer.labels.exclusions import FLOW
from histotransfer.labels.files import read_labels_file
from histotransfer.labels.task_labels import write_labels
from histotransfer.qc.cohort import COHORT, EXCLUDED_SLIDES, QC, summarise
from histotransfer.study.slide_sheet import read_slide_sheet
from histotransfer.study.tasks import LabelParameters
from support.errors import JSON, assert_clear
from support.gdc import (
    MAF,
    NORMAL,
    PRIMARY,
    PROJECT,
    STAR,
    add_expression,
    add_mutations,
    add_patients,
    add_slide,
    case,
    described,
    row,
)
from support.loopback import BAD_FILTER, UNKNOWN_FIELD, Archive, md5, serving
from support.parameters import QUICK
from support.qc import write_qc
from support.root import ROOT
from support.tasks import expression_task, mutation_task, write_cohort


def sheets_of(archive: Archive, folder: Path, slide_folder: str = "data/slides") -> dict[str, Path]:
    out = {name: folder / f"{name}.tsv" for name in (*SHEETS, "release")}
    write_sheets(Gdc(archive.address, QUICK), PROJECT, slide_folder, out)
    return out


@pytest.fixture
def archive() -> Iterator[Archive]:
    with serving(Archive()) as served:
        yield served


def test_a_search_gathers_all_pages_and_only_what_was_asked(archive):
    for number in range(23):
        project = PROJECT if number % 2 else "TCGA-LUSC"
        facts = {"cases": case((f"TCGA-05-{number:04d}-01Z", PRIMARY), project=project)}
        archive.add_file(f"f{number:02d}", b"x", data_type="Slide Image", secret=1, **facts)
    found = Gdc(archive.address, QUICK).search(
        "files",
        {"cases.project.project_id": PROJECT},
        ["file_name", "cases.submitter_id"],
        {},
        page=4,
    )
    assert [hit["file_id"] for hit in found] == [f"f{n:02d}" for n in range(1, 23, 2)]
    assert set(found[0]) == {"id", "file_id", "file_name", "cases"}  # `id` comes unasked
    assert [search["from"] for search in archive.searches] == [0, 4, 8]
    assert Gdc(archive.address, QUICK).search("files", {"data_type": "none"}, [], {}) == []


def test_the_loopback_server_answers_in_the_form_of_the_gdc(archive):
    """An answer as the GDC's guide records it (github.com/NCI-GDC/gdc-docs, /files, 2023)."""
    file_id = "a8bc2405-b57d-48bb-b241-18b3e28caa56"
    hit = {
        "data_format": "BEDPE", "access": "controlled", "data_type": "Structural Rearrangement",
        "file_name": "eae76f14-8aa7-427f-a90c-4e0ed095e0c2.wgs.BRASS.rerun_structural_variation"
        ".bedpe.gz", "file_size": 20, "state": "released", "experimental_strategy": "WGS",
    }  # fmt: skip
    recorded = {
        "data": {
            "hits": [{"id": file_id, "file_id": file_id, **hit}],
            "pagination": {
                "count": 1, "total": 1, "size": 2, "from": 0, "sort": "None", "page": 1, "pages": 1
            },
        },
        "warnings": {},
    }  # fmt: skip
    archive.add_file(file_id, b"x" * 20, **hit)
    filters = {"op": "in", "content": {"field": "state", "value": ["released"]}}
    asked = {"filters": filters, "fields": "file_id," + ",".join(hit), "sort": "file_id:asc"}
    body = {**asked, "from": 0, "size": 2}
    answer = requests.post(f"{archive.address}/files", json=body, timeout=60).json()
    answer["data"]["pagination"]["sort"] = "None"  # the GDC does not say by what it sorted
    assert answer == recorded


@pytest.mark.parametrize("fault", [500, 429, "drop:30", "hang", "chunked", "slow:0.1"])
def test_a_search_that_fails_for_the_moment_is_repeated(archive, fault):
    for number in range(5):
        archive.add_file(f"f{number}", b"x", data_type="Slide Image")
    archive.faults["/files"] = [fault, fault]
    archive.faults["/status"] = [fault]
    gdc = Gdc(archive.address, QUICK)
    assert len(gdc.search("files", {"data_type": "Slide Image"}, [], {}, page=3)) == 5
    assert gdc.release() == archive.release


@pytest.mark.parametrize(
    ("faults", "message"),
    [
        ([500] * 9, "did not answer the search .*500"),
        ([400], f"did not answer the search .*400.*: {BAD_FILTER}"),
        (["drop:30"] * 9, "did not answer the search"),
        ([None, "grown"], "changed its answer from one page to the next"),
        ([None, None, "grown"], "changed its answer"),
    ],
)
def test_a_search_that_cannot_be_trusted_is_an_error(archive, faults, message):
    for number in range(5):
        archive.add_file(f"f{number}", b"x", data_type="Slide Image")
    archive.faults["/files"] = list(faults)
    with pytest.raises(HistotransferError, match=message) as caught:
        Gdc(archive.address, QUICK).search("files", {"data_type": "Slide Image"}, [], {}, page=2)
    assert caught.value.subject == f"{archive.address}/files"


class Answers(Gdc):
    """A GDC that answers with what it is given, whatever that is."""

    def __init__(self, answers: dict[str, Any]) -> None:
        super().__init__("http://127.0.0.1:9", QUICK)
        self.answers = answers

    def _ask(self, method: str, endpoint: str, body: Mapping[str, Any] | None = None) -> Any:
        return self.answers[endpoint]


def answered(*hits: dict[str, Any]) -> dict[str, Any]:
    return {"data": {"hits": list(hits), "pagination": {"total": len(hits)}}, "warnings": {}}


def right_answers() -> dict[str, Any]:
    name = "TCGA-05-0001-01Z"
    slide = {
        "file_id": "s", "file_name": f"{name}-00-DX1.x.svs", "md5sum": md5(b""), "file_size": 1,
        "access": "open", "experimental_strategy": "Diagnostic Slide",
        "cases": case((name, PRIMARY)),
        "associated_entities": [{"entity_submitter_id": f"{name}-00-DX1"}],
    }  # fmt: skip
    return {
        "status": {"data_release": "Data Release 45.0"},
        "cases": answered({"case_id": "c", "submitter_id": name[:12]}),
        "files": answered(slide),
    }


def places(value: Any) -> list[tuple[Any, Any]]:
    """List every container of a JSON value with each of its keys."""
    if not isinstance(value, dict | list):
        return []
    keys = list(value) if isinstance(value, dict) else range(len(value))
    return [place for key in keys for place in ((value, key), *places(value[key]))]


def test_the_answers_that_are_changed_below_are_right(tmp_path):
    out = {name: tmp_path / name for name in (*SHEETS, "release")}
    write_sheets(Answers(right_answers()), PROJECT, "slides", out)
    assert "TCGA-05-0001-01Z-00-DX1" in out["slides"].read_text()


@given(st.data())
def test_an_answer_of_another_form_is_an_error_that_names_the_address(tmp_path_factory, data):
    answers = right_answers()
    answer = answers[data.draw(st.sampled_from(sorted(answers)))]
    container, key = data.draw(st.sampled_from(places(answer)))
    if data.draw(st.booleans()):
        container[key] = data.draw(JSON)
    else:
        del container[key]
    folder = tmp_path_factory.getbasetemp()
    out = {name: folder / name for name in (*SHEETS, "release")}
    gdc = Answers(answers)
    try:
        write_sheets(gdc, PROJECT, "slides", out)
    except HistotransferError as error:
        assert_clear(error, gdc.address)


@pytest.mark.parametrize(
    ("column", "cell"),
    [
        *(("File Name", name) for name in ("..", ".hidden", "a/b", "a\\b", "")),
        *(("File ID", file_id) for file_id in ("", "../x", "x?y=1", "ü")),
        *(("md5", md5) for md5 in ("", "0" * 31, "g" * 32)),
        *(("size", size) for size in ("", "-1", "1.5", "many", "9" * 20)),
    ],
)
def test_a_wrong_cell_of_a_list_of_files_is_named(tmp_path, column, cell):
    row = {"File ID": "f", "File Name": "a.tsv", "md5": "0" * 32, "size": "1"}
    sheet = tmp_path / "sheet.tsv"
    pd.DataFrame([row, row | {column: cell}]).to_csv(sheet, sep="\t", index=False)
    with pytest.raises(HistotransferError) as caught:
        fetch_files("http://127.0.0.1:9", sheet, tmp_path / "m/m.tsv", 1, QUICK)
    assert_clear(caught.value, "sheet.tsv", "line 3", repr(cell))


def test_a_list_of_files_without_digests_is_refused(tmp_path):
    sheet = tmp_path / "sheet.tsv"
    sheet.write_text("File ID\tFile Name\tsize\nf\ta\t1\n")
    with pytest.raises(HistotransferError, match="has no column md5"):
        fetch_files("http://127.0.0.1:9", sheet, tmp_path / "m/m.tsv", 1, QUICK)


def test_sheets_list_diagnostic_slides_of_primary_tumours_and_what_was_left_out(archive, tmp_path):
    add_patients(archive, [f"TCGA-05-000{n}" for n in range(6)])
    add_slide(archive, "TCGA-05-0002-01Z-00-DX1")
    add_slide(archive, "TCGA-05-0001-01Z-00-DX2")
    add_slide(archive, "TCGA-05-0001-01Z-00-DX1")
    add_slide(archive, "TCGA-05-0001-01Z-00-DX1")  # another file of the same slide
    add_slide(archive, "TCGA-05-0001-01A-01-TS1")
    add_slide(archive, "TCGA-05-0003-11Z-00-DX1", NORMAL)
    add_slide(archive, "TCGA-05-0004-01Z-00-DX1", access="controlled")
    two = case(("TCGA-05-0005-01Z", PRIMARY)) + case(("TCGA-05-0004-01Z", PRIMARY))
    add_slide(archive, "TCGA-05-0005-01Z-00-DX1", cases=two)
    add_slide(archive, "TCGA-05-0005-01Z-00-DX2", file_name="TCGA-05-0005-01Z-00-DX2.x.pdf")
    add_slide(
        archive, "TCGA-99-0001-01Z-00-DX1",
        cases=case(("TCGA-99-0001-01Z", PRIMARY), project="TCGA-LUSC"),
    )  # fmt: skip
    add_expression(archive, "TCGA-05-0001-01A", "b", plate="2000")
    add_expression(archive, "TCGA-05-0001-01A", "a", plate="1000")
    add_expression(archive, "TCGA-05-0001-11A", "n", NORMAL)
    add_expression(archive, "TCGA-05-0003-02A", "r", "Recurrent Tumor")
    add_mutations(archive, "TCGA-05-0002-01A", MAF)
    out = sheets_of(archive, tmp_path)

    slides = read_slide_sheet(out["slides"], ROOT / "workflow/schemas/slides.schema.yaml")
    assert list(slides) == [
        "TCGA-05-0001-01Z-00-DX1", "TCGA-05-0001-01Z-00-DX2", "TCGA-05-0002-01Z-00-DX1"
    ]  # fmt: skip
    first = slides["TCGA-05-0001-01Z-00-DX1"]
    assert first.path == "data/slides/TCGA-05-0001-01Z-00-DX1.svs"
    assert (first.patient, first.file_id) == ("TCGA-05-0001", "slide-00002")
    assert (first.md5, first.size) == (md5(b"TCGA-05-0001-01Z-00-DX1"), 23)

    left_out = read_table(out["left_out"], LEFT_OUT).set_index("file_id").fillna("")
    assert left_out[["code", "detail"]].apply(tuple, axis=1).to_dict() == {
        "slide-00003": ("further_file", "the first by name is used"),
        "slide-00004": ("not_diagnostic_slide", "Tissue Slide"),
        "slide-00005": ("not_primary_tumour", "Solid Tissue Normal"),
        "slide-00006": ("not_open", ""),
        "slide-00007": ("not_of_one_patient", "2 patients"),
        "slide-00008": ("not_svs", ""),
        "star-00012": ("not_primary_tumour", "Solid Tissue Normal"),
        "star-00013": ("not_primary_tumour", "Recurrent Tumor"),
    }
    stars = read_table(out["star_counts"], FILES)
    assert stars["Aliquot ID"].tolist() == [
        "TCGA-05-0001-01A-11R-1000-07", "TCGA-05-0001-01A-11R-2000-07"
    ]  # fmt: skip
    maf = read_table(out["mutations"], FILES).iloc[0]
    assert maf["Sample ID"] == "TCGA-05-0002-01A"  # not the normal one
    assert maf["Aliquot ID"] == "TCGA-05-0002-01A-11D-1000-08"
    patients = read_table(out["patients"], PATIENTS).set_index("patient")
    assert patients.loc["TCGA-05-0001"].tolist() == [2, 2, 0]
    assert patients.loc["TCGA-05-0002"].tolist() == [1, 0, 1]
    assert (patients.loc["TCGA-05-0003":] == 0).all(axis=None)
    release = json.loads(out["release"].read_text())
    assert release["data_release"] == archive.release
    assert release["files"] == {"slides": 3, "star_counts": 2, "mutations": 1}
    assert release["bytes"]["slides"] == 3 * 23


@pytest.mark.parametrize(
    ("sample", "kind"),
    [
        # as the API answers today
        ({"tissue_type": "Tumor", "tumor_descriptor": "Primary", "sample_type": None}, "primary"),
        ({"tissue_type": "Tumor", "tumor_descriptor": "Metastatic"}, "metastatic"),
        ({"tissue_type": "Tumor", "tumor_descriptor": "Recurrence"}, "recurrent"),
        ({"tissue_type": "Normal", "tumor_descriptor": "Not Applicable"}, "normal"),
        ({"tissue_type": "Tumor", "tumor_descriptor": "New Primary"}, ""),
        # as it did until 2023
        ({"sample_type": "Primary Tumor"}, "primary"),
        ({"sample_type": "Solid Tissue Normal"}, "normal"),
        ({"sample_type": "Blood Derived Normal"}, "normal"),
        ({"sample_type": "Additional - New Primary"}, ""),
        # the newer fields say more than the older one
        ({"tissue_type": "Tumor", "tumor_descriptor": "Metastatic",
          "sample_type": "Primary Tumor"}, "metastatic"),
        # where a field says nothing, the next one does, and at last the barcode
        ({"tissue_type": "Tumor", "tumor_descriptor": "Not Reported",
          "sample_type": "Metastatic"}, "metastatic"),
        ({"submitter_id": "TCGA-05-4244-01A", "tissue_type": "Not Reported"}, "primary"),
        ({"submitter_id": "TCGA-05-4244-06A", "tissue_type": "Tumor"}, "metastatic"),
        ({"submitter_id": "TCGA-05-4244-11A"}, "normal"),
        ({"submitter_id": "TCGA-05-4244-20A"}, ""),
        ({"submitter_id": "C3L-00001-01"}, ""),
        ({}, ""),
    ],
)  # fmt: skip
def test_the_kind_of_a_sample_is_read_from_what_says_it(sample, kind):
    assert kind_of(sample) == kind


@pytest.mark.parametrize("fields", ["both", "old", "new", "none"])
def test_sheets_do_not_depend_on_one_field_of_the_dictionary(archive, tmp_path, fields):
    add_patients(archive, ["TCGA-05-0001"])

    def of(sample: str, kind: str) -> list[dict[str, object]]:
        (patient,) = case((sample, kind))
        facts = described(kind) if fields in ("both", "new") else {}
        old = {"sample_type": kind} if fields in ("both", "old") else {}
        return [patient | {"samples": [{"submitter_id": sample, **facts, **old}]}]

    slides = {"01Z": PRIMARY, "06Z": "Metastatic", "11Z": NORMAL}
    for code, kind in slides.items():
        sample = f"TCGA-05-0001-{code}"
        add_slide(archive, f"{sample}-00-DX1", cases=of(sample, kind))
    out = {name: tmp_path / f"{name}.tsv" for name in (*SHEETS, "release")}
    gdc = Gdc(archive.address, QUICK)
    for kinds, codes in ((["primary"], ["01Z"]), (["metastatic", "primary"], ["01Z", "06Z"])):
        write_sheets(gdc, PROJECT, "slides", out, kinds)
        expected = [f"TCGA-05-0001-{code}-00-DX1" for code in codes]
        assert read_table(out["slides"], SLIDES)["slide"].tolist() == expected
        assert len(read_table(out["left_out"], LEFT_OUT)) == 3 - len(codes)


def test_of_several_kinds_the_first_that_is_named_is_used(archive, tmp_path):
    """A file of a metastasis and its primary tumour, as some lists have them."""
    add_patients(archive, ["TCGA-05-0001"])
    add_slide(archive, "TCGA-05-0001-06Z-00-DX1", "Metastatic")
    both = case(("TCGA-05-0001-01A", PRIMARY), ("TCGA-05-0001-06A", "Metastatic"))
    add_mutations(archive, "TCGA-05-0001-06A", MAF, cases=both)
    out = {name: tmp_path / f"{name}.tsv" for name in (*SHEETS, "release")}
    write_sheets(Gdc(archive.address, QUICK), PROJECT, "s", out, ["metastatic", "primary"])
    assert read_table(out["mutations"], FILES)["Sample ID"].tolist() == ["TCGA-05-0001-06A"]


def test_a_project_without_a_slide_to_use_is_an_error_and_writes_no_sheet(archive, tmp_path):
    add_patients(archive, ["TCGA-D3-0001"])
    for number in range(3):
        add_slide(archive, f"TCGA-D3-0001-06Z-00-DX{number}", "Metastatic")
    with pytest.raises(HistotransferError) as caught:
        sheets_of(archive, tmp_path)
    assert_clear(caught.value, archive.address, "3 found", "Metastatic", "download.samples")
    assert list(tmp_path.iterdir()) == []


def test_a_project_whose_slides_lie_elsewhere_is_an_error_that_says_so(archive, tmp_path):
    """CPTAC-3: expression in the GDC, slides in The Cancer Imaging Archive."""
    archive.cases.append(
        {"case_id": "c", "submitter_id": "C3N-00001", "project": {"project_id": PROJECT}}
    )
    add_expression(archive, "C3N-00001-01", "content")
    with pytest.raises(HistotransferError) as caught:
        sheets_of(archive, tmp_path)
    assert_clear(caught.value, archive.address, "no slide image", "Cancer Imaging Archive")
    assert "download.samples" not in str(caught.value)
    assert list(tmp_path.iterdir()) == []


def test_a_file_with_empty_fields_as_the_gdc_lists_it_is_used(archive, tmp_path):
    """Names, nesting and empty fields of an expression file of TCGA-COAD (August 2025).

    As github.com/alfaromurillo/sigmutselcovs has them, transcribed there from a manifest and a
    sample sheet of the GDC's portal.
    """
    add_patients(archive, ["TCGA-AA-3688"])
    add_slide(archive, "TCGA-AA-3688-01Z-00-DX1")
    sample = {
        "submitter_id": "TCGA-AA-3688-01A", "tissue_type": "Tumor", "tumor_descriptor": "Primary",
        "specimen_type": None, "preservation_method": None, "sample_type": None,
    }  # fmt: skip
    name = "c8c7600d-2c13-4df1-b058-2d02432bd49e.rna_seq.augmented_star_gene_counts.tsv"
    file_id = "2c73d8ac-84b9-4094-9f5e-fbd6c2e8eabf"
    archive.add_file(
        file_id, b"x", file_name=name, state="released", experimental_strategy=None,
        data_category="Transcriptome Profiling", data_type="Gene Expression Quantification",
        analysis={"workflow_type": "STAR - Counts"},
        cases=[
            {"project": {"project_id": PROJECT}, "submitter_id": "TCGA-AA-3688",
             "samples": [sample]}
        ],
    )  # fmt: skip
    listed = read_table(sheets_of(archive, tmp_path)["star_counts"], FILES).iloc[0]
    assert (listed["File ID"], listed["File Name"]) == (file_id, name)
    assert (listed["Case ID"], listed["Sample ID"]) == ("TCGA-AA-3688", "TCGA-AA-3688-01A")


def test_a_warning_of_the_gdc_is_passed_on_and_stops_nothing(archive, caplog):
    archive.add_file("f", b"x", data_type="Slide Image")
    archive.faults["/files"] = ["warned"]
    found = Gdc(archive.address, QUICK).search("files", {"data_type": "Slide Image"}, [], {})
    assert [hit["file_id"] for hit in found] == ["f"]
    assert f"{archive.address}/files warns" in caplog.text
    assert UNKNOWN_FIELD in caplog.text


def test_whoever_waits_is_told_of_each_retry(archive, capsys):
    archive.add_file("f", b"x", data_type="Slide Image")
    archive.faults["/files"] = [500, 500, "drop:30"]
    Gdc(archive.address, QUICK).search("files", {"data_type": "Slide Image"}, [], {})
    said = capsys.readouterr().err.splitlines()
    assert len(said) == 3
    assert all("asking again in 0 s" in line for line in said)
    assert sum("/files answers 500" in line for line in said) == 2


def test_an_unknown_project_is_named(archive, tmp_path):
    with pytest.raises(HistotransferError, match=r"download\.project: .* TCGA-LUAD"):
        sheets_of(archive, tmp_path)
    assert list(tmp_path.iterdir()) == []


def test_files_of_a_sheet_are_fetched_checked_and_listed(archive, tmp_path):
    add_patients(archive, ["TCGA-05-0001"])
    for number in range(5):
        add_expression(archive, f"TCGA-05-000{number}-01A", f"content {number}")
    add_slide(archive, "TCGA-05-0001-01Z-00-DX1")
    sheet = sheets_of(archive, tmp_path)["star_counts"]
    manifest = tmp_path / "star_counts/MANIFEST.txt"
    archive.faults["/data/star-00003"] = [404]
    with pytest.raises(HistotransferError, match="star-00003: is refused by the server"):
        fetch_files(archive.address, sheet, manifest, 2, QUICK)
    assert not manifest.exists()
    fetch_files(archive.address, sheet, manifest, 2, QUICK)
    listed = read_table(manifest, MANIFEST)
    assert list(listed) == ["id", "filename", "md5", "size"]
    for entry in listed.itertuples():
        assert md5((manifest.parent / entry.filename).read_bytes()) == entry.md5
    assert len(archive.ranges("/data/star-00000")) == 1
    fetch_file(
        archive.address,
        listed["id"][0],
        listed["md5"][0],
        int(listed["size"][0]),
        tmp_path / "x",
        QUICK,
    )
    assert (tmp_path / "x").read_bytes() == b"content 0"
    sheet.write_text(sheet.read_text().replace(listed["filename"][2], "../evil"))
    with pytest.raises(HistotransferError, match=r"'\.\./evil' is not a file name"):
        fetch_files(archive.address, sheet, manifest, 2, QUICK)


def labels_of(folder: Path, task: dict[str, object], cohort: Path):
    paths = [folder / f"{name}.tsv" for name in ("labels", "excluded", "flow")]
    write_labels(LabelParameters.of(task), *paths, cohort_table=cohort)
    flow = read_table(paths[2], FLOW).fillna({"code": ""})
    return read_labels_file(paths[0]).values, flow.set_index(["step", "what", "code"])["n"]


def test_of_two_aliquots_the_first_by_barcode_is_used(archive, tmp_path):
    add_patients(archive, ["TCGA-05-0001", "TCGA-05-0002"])
    for sample, plate, tpm in (
        ("TCGA-05-0001-01B", "0500", 15), ("TCGA-05-0001-01A", "2000", 7),
        ("TCGA-05-0001-01A", "1000", 3), ("TCGA-05-0002-01A", "1000", 1),
    ):  # fmt: skip
        add_expression(archive, sample, f"{STAR}ENSG1\tA\tx\t1\t{tpm}\n", plate=plate)
    add_slide(archive, "TCGA-05-0001-01Z-00-DX1")
    sheet = sheets_of(archive, tmp_path)["star_counts"]
    fetch_files(archive.address, sheet, tmp_path / "star/MANIFEST.txt", 2, QUICK)
    cohort = write_cohort(tmp_path / "cohort.tsv", ["TCGA-05-0001", "TCGA-05-0002"])
    source = {"star_counts": str(tmp_path / "star"), "samples": str(sheet)}
    labels, flow = labels_of(tmp_path, expression_task(source, transform="log2p1"), cohort)
    assert labels["A"].to_dict() == {"TCGA-05-0001": 2.0, "TCGA-05-0002": 1.0}
    assert flow["left_out", "row", "further_row"] == 2


def maf_source(folder: Path, sheet: Path) -> dict[str, str]:
    return {"maf": str(folder), "samples": str(sheet), "variant_classes": "non-silent"}


def test_mafs_of_one_sample_each_leave_no_patient_wild_type_by_mistake(tmp_path):
    patients = [f"TCGA-05-000{n}" for n in range(1, 6)]
    cohort = write_cohort(tmp_path / "cohort.tsv", patients)
    contents = {
        "0001-01A": MAF + row("TCGA-05-0001-01A") + row("TCGA-05-0001-01A", "B", "Silent"),
        "0002-01A": MAF,  # sequenced, without any variant: wild type
        "0004-01A": MAF + row("TCGA-05-0004-01A", "B"),
        "0004-01B": MAF + row("TCGA-05-0004-01B", "A"),  # a further sample of a patient: not used
    }
    rows = [
        "File Name\tSample ID\tAliquot ID",
        "gone.maf.gz\tTCGA-05-0003-01A\tTCGA-05-0003-01A-11D-1000-08",
    ]
    (tmp_path / "maf/deep").mkdir(parents=True)
    for name, content in contents.items():
        file, sample = f"{name}.maf.gz", f"TCGA-05-{name}"
        (tmp_path / "maf/deep" / file).write_bytes(gzip.compress(content.encode()))
        rows.append(f"{file}\t{sample}\t{sample}-11D-1000-08")
    sheet = tmp_path / "sheet.tsv"
    sheet.write_text("\n".join(rows) + "\n")
    task = mutation_task(maf_source(tmp_path / "maf", sheet), targets=["A", "B"])
    labels, flow = labels_of(tmp_path, task, cohort)
    assert labels.to_dict("index") == {
        "TCGA-05-0001": {"A": 1, "B": 0},
        "TCGA-05-0002": {"A": 0, "B": 0},
        "TCGA-05-0004": {"A": 0, "B": 1},
    }
    assert flow["left_out", "patient", "no_label_file"] == 1  # 0003: no wild type
    assert flow["left_out", "patient", "no_label_row"] == 1  # 0005
    assert flow["left_out", "row", "further_row"] == 1

    # The same files as a list or a folder, with a list of samples that names no file.
    sheet.write_text("sample\n" + "".join(f"TCGA-05-{name}-11D-1000-08\n" for name in contents))
    files = sorted(str(path) for path in (tmp_path / "maf/deep").iterdir())
    for place in (files, str(tmp_path / "maf")):
        again, _ = labels_of(tmp_path, {**task, "labels": {**task["labels"], "maf": place}}, cohort)
        assert again.equals(labels)
    (tmp_path / "empty").mkdir()
    with pytest.raises(HistotransferError, match="holds no MAF"):
        labels_of(tmp_path, {**task, "labels": maf_source(tmp_path / "empty", sheet)}, cohort)

    # A file of someone else under a patient's name.
    (tmp_path / "maf/deep/0002-01A.maf.gz").write_bytes(
        gzip.compress((MAF + row("TCGA-05-0009-01A")).encode())
    )
    sheet.write_text("\n".join(rows) + "\n")
    with pytest.raises(HistotransferError, match=r"0002-01A.*has variants of TCGA-05-0009-01A"):
        labels_of(tmp_path, task, cohort)
    (tmp_path / "maf/deep/0002-01A.maf.gz").write_bytes(gzip.compress(MAF.encode())[:-9])
    with pytest.raises(HistotransferError, match=r"0002-01A.*cannot be read as a table"):
        labels_of(tmp_path, task, cohort)


@pytest.fixture(scope="module")
def luad(
    realdata: Path, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[tuple[Archive, Path]]:
    """Serve TCGA-LUAD at its true size, with real barcodes, expression and variants.

    541 diagnostic slides of 478 patients and a tissue slide of each; 589 expression files, one per
    row of the table of TPM; 533 files of variants, one per sequenced sample.
    """
    tables = realdata / "tables"
    slides = pd.read_csv(tables / "kather_TCGA-LUAD-DX_SLIDE.csv", encoding="utf-8-sig")
    tpm = pd.read_csv(tables / "luad_tpm_21genes_589samples.csv")
    sequenced = pd.read_csv(tables / "tcgamutations_firehose_LUAD_samples.tsv", sep="\t")
    variants = pd.read_csv(tables / "tcgamutations_firehose_LUAD_10genes.maf.tsv", sep="\t")
    archive = Archive()
    for slide in slides["FILENAME"].sample(frac=1, random_state=0):
        add_slide(archive, slide)
    for patient in slides["PATIENT"].unique():
        add_slide(archive, f"{patient}-01A-01-TS1")
    genes = list(tpm.columns[4:])
    for sample in tpm.to_dict("records"):
        lines = [
            f"ENSG{i}\t{g}\tx\t1\t{'' if np.isnan(sample[g]) else sample[g]}"
            for i, g in enumerate(genes)
        ]
        add_expression(
            archive,
            sample["sample_barcode"],
            STAR + "\n".join(lines) + "\n",
            sample["sample_type_name"],
        )
    columns = ["Hugo_Symbol", "Variant_Classification"]
    by_sample = dict(tuple(variants.groupby("Tumor_Sample_Barcode")))
    for patient in sequenced["Tumor_Sample_Barcode"]:
        found = by_sample.get(patient, variants.iloc[:0])
        sample = f"{patient}-01A"
        lines = [row(sample, *map(str, pair)) for pair in found[columns].itertuples(index=False)]
        add_mutations(archive, sample, MAF + "".join(lines))
    everyone = {*slides["PATIENT"], *tpm["case_barcode"], *sequenced["Tumor_Sample_Barcode"]}
    add_patients(archive, sorted(everyone))
    with serving(archive):
        folder = tmp_path_factory.mktemp("luad")
        sheets_of(archive, folder)
        for name in ("star_counts", "mutations"):
            fetch_files(archive.address, folder / f"{name}.tsv", folder / name / "MANIFEST.txt", 4)
        yield archive, folder


@pytest.mark.slow
def test_the_sheets_at_the_true_size(luad):
    archive, folder = luad
    sheets = {name: read_table(folder / f"{name}.tsv", schema) for name, schema in SHEETS.items()}
    assert len(sheets["slides"]) == 541
    assert sheets["slides"]["patient"].nunique() == 478
    assert sheets["slides"]["slide"].is_unique
    assert len(sheets["star_counts"]) == 528
    assert len(sheets["mutations"]) == 533
    assert sheets["left_out"][["code", "detail"]].value_counts().to_dict() == {
        ("not_diagnostic_slide", "Tissue Slide"): 478,
        ("not_primary_tumour", "Solid Tissue Normal"): 59,
        ("not_primary_tumour", "Recurrent Tumor"): 2,
    }
    patients = sheets["patients"].set_index("patient")
    assert len(patients) == len(archive.cases)
    assert patients[["slides", "star_counts", "mutations"]].sum().tolist() == [541, 528, 533]
    assert (patients["slides"] > 0).sum() == 478
    several = patients["slides"].value_counts().drop(0).to_dict()
    assert several == {1: 457, 2: 9, 3: 1, 4: 5, 5: 1, 6: 1, 7: 2, 8: 1, 10: 1}
    has = patients[patients["slides"] > 0] > 0
    labelled = has[["star_counts", "mutations"]].value_counts()
    assert labelled.to_dict() == {(1, 1): 435, (1, 0): 38, (0, 1): 3, (0, 0): 2}
    assert len([s for s in archive.searches if s["endpoint"] == "files"]) == 3 + 2 + 2


@pytest.mark.slow
def test_labels_of_fetched_files_are_those_of_the_real_tables(luad, realdata, tmp_path):
    """One file per sample, from the GDC, gives what one table of all samples gives."""
    _, folder = luad
    slides = read_table(folder / "slides.tsv", SLIDES)
    cohort = write_cohort(tmp_path / "cohort.tsv", sorted(slides["patient"].unique()))
    tables = realdata / "tables"

    source = {
        "star_counts": str(folder / "star_counts"),
        "samples": str(folder / "star_counts.tsv"),
    }
    fetched, flow = labels_of(tmp_path, expression_task(source, transform="log2p1"), cohort)
    table = expression_task(tables / "luad_tpm_21genes_589samples.csv", transform="log2p1")
    expected, _ = labels_of(tmp_path, table, cohort)
    assert flow["labelled", "patient", ""] == len(fetched) == 473
    assert flow["came_in", "row", ""] == 528
    assert flow["left_out", "patient", "no_label_row"] == 5
    pd.testing.assert_frame_equal(fetched, expected, check_like=True)

    source = maf_source(folder / "mutations", folder / "mutations.tsv")
    fetched, flow = labels_of(tmp_path, mutation_task(source), cohort)
    whole = {
        "maf": str(tables / "tcgamutations_firehose_LUAD_10genes.maf.tsv"),
        "samples": str(tables / "tcgamutations_firehose_LUAD_samples.tsv"),
        "variant_classes": "non-silent",
    }
    expected, _ = labels_of(tmp_path, mutation_task(whole), cohort)
    assert flow["labelled", "patient", ""] == len(fetched) == 438
    assert flow["left_out", "row", "not_in_cohort"] == 95
    assert flow["left_out", "patient", "no_label_row"] == 40
    pd.testing.assert_frame_equal(fetched, expected, check_like=True)


@pytest.mark.slow
def test_the_cohort_at_the_true_size_where_some_slides_are_lost(luad, tmp_path):
    """A patient goes with the last of their slides, and from every task."""
    _, folder = luad
    slides = read_table(folder / "slides.tsv", SLIDES)
    owned = slides.groupby("patient")["slide"]
    single = owned.first()[owned.size() == 1].iloc[:3]
    many = owned.first()[owned.size() == 10]
    lost = {
        single.iloc[0]: Reason("slide_unreadable"),
        single.iloc[1]: Reason("no_mpp"),
        many.iloc[0]: Reason("no_tissue"),
    }
    for slide in slides["slide"]:
        reasons = ["blurred", "background"] if slide == single.iloc[2] else ["kept", "kept", "pen"]
        excluded = lost.get(slide)
        write_qc(tmp_path, slide, [] if excluded else reasons, excluded)
    tables = {f"{name}_table": tmp_path / f"{name}.tsv" for name in ("qc", "excluded", "cohort")}
    patients = slides.set_index("slide")["patient"].to_dict()
    summarise(tmp_path, patients, **tables, apply_qc=True)
    assert len(read_table(tables["qc_table"], QC)) == 541
    left_out = read_table(tables["excluded_table"], EXCLUDED_SLIDES).set_index("slide")["code"]
    assert left_out.to_dict() == {
        **{slide: reason.code for slide, reason in lost.items()},
        single.iloc[2]: "no_patch_passes_qc",
    }
    cohort = read_table(tables["cohort_table"], COHORT).set_index("patient")
    assert len(cohort) == 478
    assert cohort.sum().to_dict() == {"n_slides": 541, "n_slides_used": 537, "n_patches": 1074}
    assert cohort.loc[many.index[0]].tolist() == [10, 9, 18]
    gone = cohort.index[cohort["n_patches"] == 0]
    assert set(gone) == set(single.index)

    patients = read_table(folder / "patients.tsv", PATIENTS).set_index("patient")
    for name, task in (
        ("star_counts", expression_task({"star_counts": str(folder / "star_counts")})),
        ("mutations", mutation_task(maf_source(folder / "mutations", folder / "mutations.tsv"))),
    ):
        task["labels"] |= {"samples": str(folder / f"{name}.tsv")}
        labels, flow = labels_of(tmp_path, task, tables["cohort_table"])
        assert flow["came_in", "patient", ""] == 478
        assert flow["left_out", "patient", "no_usable_patch"] == 3
        has = patients.index[(patients["slides"] > 0) & (patients[name] > 0)]
        assert set(labels.index) == set(has) - set(gone)
        assert flow["labelled", "patient", ""] == len(labels)
