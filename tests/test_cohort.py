"""The cohort in tables."""

from __future__ import annotations

from pathlib import Path

import h5py
import numpy as np
import pytest

from histotransfer.cohort import summarise
from histotransfer.qc import REASONS
from histotransfer.store import create_store, read_table


def write_qc(path: Path, reasons: list[str], error: str = "") -> Path:
    reason = np.array([REASONS[name] for name in reasons], np.uint8)
    attrs = {
        "error": error, "mpp": 0.25, "mpp_source": "header", "stain_status": "fitted",
        "tissue_mm2": 1.5, "effective_mpp": 0.5,
    }  # fmt: skip
    with create_store(path, "qc/1", {} if error else attrs) as store:
        store.attrs["error"] = error
        store.create_dataset("reason", data=reason, dtype=h5py.enum_dtype(REASONS, np.uint8))
        not_stored = [REASONS[name] for name in ("unreadable", "background", "stain")]
        store["stored"] = (~np.isin(reason, not_stored)).astype(np.uint8)
    return path


@pytest.fixture
def study(tmp_path: Path) -> tuple[dict[str, Path], dict[str, str], dict[str, Path]]:
    slides = {
        "s1": write_qc(tmp_path / "1.h5", ["kept", "kept", "pen", "background"]),
        "s2": write_qc(tmp_path / "2.h5", [], "s2.svs: cannot be opened. Copy it again."),
        "s3": write_qc(tmp_path / "3.h5", ["blurred", "blurred", "background"]),
        "s0": write_qc(tmp_path / "0.h5", ["kept"]),
    }
    patients = dict(zip(slides, ["NA", "NA", "007", "008"], strict=True))
    tables = {f"{name}_table": tmp_path / f"{name}.tsv" for name in ("qc", "excluded", "cohort")}
    return slides, patients, tables


def test_tables_account_for_every_slide_and_patient(study):
    slides, patients, tables = study
    summarise(slides, patients, **tables, apply_qc=True)
    qc = read_table(tables["qc_table"], patient="str").set_index("slide")
    assert list(qc.index) == ["s0", "s1", "s2", "s3"]
    assert (qc[list(REASONS)].sum(axis=1) == qc["n_tiles"]).all()
    assert qc.loc["s1", ["kept", "pen", "background", "n_patches"]].tolist() == [2, 1, 1, 2]
    assert qc.loc["s1", "mpp_source"] == "header"

    excluded = read_table(tables["excluded_table"], patient="str").set_index("slide")
    assert list(excluded.index) == ["s2", "s3"]
    assert excluded.loc["s2", "reason"] == "s2.svs: cannot be opened. Copy it again."
    assert excluded.loc["s3", "reason"].endswith("1 background, 2 blurred")

    cohort = read_table(tables["cohort_table"], patient="str").set_index("patient")
    assert cohort.loc["NA"].tolist() == [2, 1, 2]
    assert cohort.loc["007"].tolist() == [1, 0, 0]
    assert cohort.loc["008"].tolist() == [1, 1, 1]


def test_without_qc_every_stored_patch_counts(study):
    slides, patients, tables = study
    summarise(slides, patients, **tables, apply_qc=False)
    cohort = read_table(tables["cohort_table"], patient="str").set_index("patient")
    assert cohort.loc["007"].tolist() == [1, 1, 2]
    assert list(read_table(tables["excluded_table"])["slide"]) == ["s2"]
