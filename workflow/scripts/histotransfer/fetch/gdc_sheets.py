"""The sheets of a project of the GDC: its diagnostic slides, patients, and files of labels.

Only diagnostic slides (DX) and samples of the kinds asked for, by default primary tumours, are
used; whatever else the searches find is listed apart, with the reason.
"""

from __future__ import annotations

import json
import logging
from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pandas as pd

from ..core.errors import HistotransferError
from ..core.exclusions import Reason
from ..core.files import written_whole
from ..core.tables import TableSchema
from .gdc import Gdc, Hit
from .gdc_samples import PRIMARY, chosen, described

log = logging.getLogger(__name__)

Schema = dict[str, Any]
SEARCHES = {
    "slides": {"data_type": "Slide Image"},
    "star_counts": {
        "data_type": "Gene Expression Quantification",
        "analysis.workflow_type": "STAR - Counts",
    },
    "mutations": {"data_type": "Masked Somatic Mutation", "data_format": "MAF"},
}
"""What is looked for among a project's files."""
FIELDS = (
    *("file_name", "md5sum", "file_size", "access", "experimental_strategy"),
    *("cases.submitter_id", "cases.samples.submitter_id", "cases.samples.sample_type"),
    *("cases.samples.tissue_type", "cases.samples.tumor_descriptor"),
    "associated_entities.entity_submitter_id",
)
DIAGNOSTIC, SLIDE_SUFFIX = "Diagnostic Slide", ".svs"
SLIDES = TableSchema.of("slides", "text: slide patient path file_id md5", "integer: size")
"""The slide sheet: a row per slide, with what it takes to fetch it."""
_FILE_COLUMNS = ("File ID", "File Name", "Case ID", "Sample ID", "Aliquot ID", "md5")
FILES = TableSchema("files", {**dict.fromkeys(_FILE_COLUMNS, "text"), "size": "integer"})
"""A row per file of labels, named as in the sample sheets of the GDC's portal."""
PATIENTS = TableSchema.of("patients", "text: patient", f"integer: {' '.join(SEARCHES)}")
"""A row per patient of the project, with the number of files that each search found."""
LEFT_OUT = TableSchema.of("left_out", "text: list file_id file_name patient code detail remedy")
"""A row per file that a search found and the study does not use, with the reason."""
SHEETS = {
    "slides": SLIDES,
    "star_counts": FILES,
    "mutations": FILES,
    "patients": PATIENTS,
    "left_out": LEFT_OUT,
}


def _object(required: Schema, **others: Schema) -> Schema:
    return {"type": "object", "required": list(required), "properties": {**required, **others}}


def _list(items: Schema) -> Schema:
    return {"type": "array", "items": items}


_TEXT: Schema = {"type": "string"}
PATIENT = _object({"submitter_id": _TEXT})
"""JSON schema of a patient, as the GDC answers."""
FILE = _object(
    {
        **dict.fromkeys(("file_id", "file_name", "md5sum", "access"), _TEXT),
        "file_size": {"type": "integer", "minimum": 0},
    },
    cases=_list(
        _object({"submitter_id": _TEXT}, samples=_list(_object({"submitter_id": _TEXT}))),
    ),
    associated_entities=_list(_object({"entity_submitter_id": _TEXT})),
)
"""JSON schema of a file, as the GDC answers; it leaves out what is empty."""


def write_sheets(
    gdc: Gdc,
    project: str,
    slide_folder: str,
    out: Mapping[str, str | Path],
    kinds: Sequence[str] = (PRIMARY,),
) -> None:
    """Ask the GDC for a project's files and write the sheets that name them.

    A project is such as ``TCGA-LUAD``; the slides will lie in `slide_folder`. `out` names the files
    to write: those of `SHEETS`, and ``release`` (JSON: the data release, the numbers and bytes of
    the files). Of a file's samples the first is used of the first of `kinds` that it has
    (`gdc_samples.kind_of`).

    Raises
    ------
    HistotransferError
        If the API does not answer, or has no such project, or no slide of it that can be used.
    """
    release = gdc.release()
    cases = gdc.search("cases", {"project.project_id": project}, ["submitter_id"], PATIENT)
    if not cases:
        raise HistotransferError(
            "config: download.project", f"{gdc.address} has no patient of {project}", "Correct it"
        )
    used: dict[str, list[Hit]] = {}
    left_out: list[dict[str, str]] = []
    for name, search in SEARCHES.items():
        where = {"cases.project.project_id": project, **search}
        used[name], others = sort_out(gdc.search("files", where, FIELDS, FILE), name, kinds)
        left_out += others
        log.info("%s: %d files used, %d left out", name, len(used[name]), len(others))
    if not used["slides"]:
        raise _no_slides(gdc.address, project, [row for row in left_out if row["list"] == "slides"])
    tables = {
        "slides": slide_table(used["slides"], slide_folder),
        "star_counts": file_table(used["star_counts"], kinds),
        "mutations": file_table(used["mutations"], kinds),
        "patients": patient_table([case["submitter_id"] for case in cases], used),
        "left_out": _table(left_out, LEFT_OUT),
    }
    for name, table in tables.items():
        with written_whole(out[name]) as partial:  # without a digest: users may edit them
            table.to_csv(partial, sep="\t", index=False, lineterminator="\n")
    facts = {
        "data_release": release,
        "address": gdc.address,
        "project": project,
        "files": {name: len(hits) for name, hits in used.items()},
        "bytes": {name: sum(int(hit["file_size"]) for hit in used[name]) for name in used},
    }
    with written_whole(out["release"]) as partial:
        partial.write_text(json.dumps(facts, indent=2) + "\n", encoding="utf-8")


def _no_slides(address: str, project: str, left_out: list[dict[str, str]]) -> HistotransferError:
    """Say what the slides of a project are, none of which can be used."""
    counts = Counter((row["code"], row["detail"]) for row in left_out)
    found = "; ".join(
        f"{number} {Reason(*reason).sentence()}" for reason, number in counts.most_common(5)
    )
    if not found:
        return HistotransferError(
            "config: download.project",
            f"{address} holds no slide image of {project}",
            "Get the slides where their study keeps them (those of CPTAC: The Cancer Imaging "
            "Archive) and name them in a slide sheet of your own: docs/data.md",
        )
    return HistotransferError(
        "config: download.project",
        f"{address} has no slide of {project} that can be used ({len(left_out)} found: {found})",
        "Name the kinds of samples in `download.samples`, such as [primary, metastatic], or name "
        "another project",
    )


def sort_out(
    hits: Sequence[Hit], name: str, kinds: Sequence[str] = (PRIMARY,)
) -> tuple[list[Hit], list[dict[str, str]]]:
    """Tell the files of a search (`name`) that count from those that do not.

    Returns the former sorted by name (of a slide's several files the first) and a row of `LEFT_OUT`
    for each of the others.
    """
    used: list[Hit] = []
    left_out: list[dict[str, str]] = []
    seen = set()
    for hit in sorted(hits, key=lambda hit: (hit["file_name"], hit["file_id"])):
        reason = _fault(hit, name, kinds)
        if name == "slides" and not reason:
            if slide_id(hit) in seen:
                reason = Reason("further_file", "the first by name is used")
            seen.add(slide_id(hit))
        if reason:
            patients = ", ".join(sorted(case["submitter_id"] for case in hit.get("cases", [])))
            file = {"list": name, "file_id": hit["file_id"], "file_name": hit["file_name"]}
            left_out.append(file | {"patient": patients} | reason.as_row())
        else:
            used.append(hit)
    return used, left_out


def _fault(hit: Hit, name: str, kinds: Sequence[str]) -> Reason | None:
    """Say why a file does not count, if it does not."""
    cases = hit.get("cases", [])
    if hit["access"] != "open":
        return Reason("not_open")
    if len(cases) != 1:
        return Reason("not_of_one_patient", f"{len(cases)} patients")
    strategy = hit.get("experimental_strategy")
    if name == "slides" and strategy != DIAGNOSTIC:
        return Reason("not_diagnostic_slide", str(strategy))
    samples = cases[0].get("samples", [])
    if chosen(samples, kinds) is None:
        code = "not_primary_tumour" if tuple(kinds) == (PRIMARY,) else "not_a_chosen_sample"
        return Reason(code, ", ".join(sorted({described(sample) for sample in samples})))
    if name == "slides" and not hit["file_name"].lower().endswith(SLIDE_SUFFIX):
        return Reason("not_svs")
    return None


def slide_id(hit: Hit) -> str:
    """Return a slide's barcode: its file's name is ``TCGA-05-4244-01Z-00-DX1.<uuid>.svs``."""
    return str(hit["file_name"]).partition(".")[0]


def slide_table(hits: Sequence[Hit], folder: str) -> pd.DataFrame:
    """Return the slide sheet (`SLIDES`), sorted by slide."""
    rows = [
        {
            "slide": slide_id(hit),
            "patient": hit["cases"][0]["submitter_id"],
            "path": f"{folder}/{slide_id(hit)}{SLIDE_SUFFIX}",
            **_checks(hit, "file_id"),
        }
        for hit in hits
    ]
    return _table(rows, SLIDES).sort_values("slide", ignore_index=True)


def file_table(hits: Sequence[Hit], kinds: Sequence[str] = (PRIMARY,)) -> pd.DataFrame:
    """Return the files (`FILES`) with the sample that each is of, by sample, aliquot and file."""
    rows = []
    for hit in hits:
        sample = str(chosen(hit["cases"][0].get("samples", []), kinds))
        entities = [e["entity_submitter_id"] for e in hit.get("associated_entities", [])]
        rows.append(
            {
                "File Name": hit["file_name"],
                "Case ID": hit["cases"][0]["submitter_id"],
                "Sample ID": sample,
                "Aliquot ID": min(
                    (name for name in entities if name.startswith(sample)), default=""
                ),
                **_checks(hit, "File ID"),
            }
        )
    return _table(rows, FILES).sort_values(
        ["Sample ID", "Aliquot ID", "File ID"], ignore_index=True
    )


def _table(rows: Sequence[Mapping[str, Any]], schema: TableSchema) -> pd.DataFrame:
    return pd.DataFrame(rows, columns=list(schema.columns))


def _checks(hit: Hit, identity: str) -> dict[str, Any]:
    return {identity: hit["file_id"], "md5": hit["md5sum"], "size": int(hit["file_size"])}


def patient_table(patients: Sequence[str], used: Mapping[str, Sequence[Hit]]) -> pd.DataFrame:
    """Return all patients of a project with their numbers of files (`PATIENTS`)."""
    table = pd.DataFrame({"patient": sorted(patients)})
    for name, hits in used.items():
        owners = pd.Series([hit["cases"][0]["submitter_id"] for hit in hits], dtype=str)
        table[name] = table["patient"].map(owners.value_counts()).fillna(0).astype(int)
    return table
