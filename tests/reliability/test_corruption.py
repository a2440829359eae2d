"""A damaged file between the stages is found before anything is computed from it."""

from __future__ import annotations

import ast
import random
import subprocess
from pathlib import Path

import h5py
import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from histotransfer.core.errors import HistotransferError
from histotransfer.core.files import written_with_digest
from histotransfer.core.hdf5 import create_store, open_store, store_digest
from histotransfer.core.tables import TableSchema, read_table, write_table
from histotransfer.patches import stain_reference
from support.root import ROOT
from support.tiny_study import Tiny
from support.wholeness import check, files_of

LIBRARY = ROOT / "workflow/scripts/histotransfer"
TABLE = TableSchema("table", {"target": "text", "value": "number"})

Damage = tuple[str, float, int]
DAMAGE = st.tuples(st.sampled_from(["cut", "flip", "zeros"]), st.floats(0, 1), st.integers(1, 255))


def damage(path: Path, how: Damage) -> None:
    """Cut a file short at a place, flip bits of a byte there, or write zeros to its end."""
    kind, place, bits = how
    content = bytearray(path.read_bytes())
    at = min(int(place * len(content)), len(content) - 1)
    if kind == "cut":
        del content[at:]
    elif kind == "flip":
        content[at] ^= bits
    else:  # what a crashed file system leaves
        content[at:] = bytes(len(content) - at)
    path.write_bytes(content)


def assert_says_what_to_delete(error: HistotransferError, path: Path) -> None:
    assert error.subject == str(path)
    assert error.remedy == f"Delete it and make it again: snakemake {path}"


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("damaged")


@given(how=DAMAGE)
def test_a_damaged_store_is_found(folder: Path, how: Damage) -> None:
    path = folder / "slide.h5"
    with create_store(path, "qc/1", {"slide": "S", "mpp": 0.5}) as store:
        store.create_dataset("x", data=np.arange(3000.0), chunks=(100,), compression="gzip")
        store["names"] = ["a", "b"]
    whole = path.read_bytes()
    damage(path, how)
    try:
        with open_store(path, "qc/1") as store:
            assert path.read_bytes()[512:] == whole[512:]  # the padding of the seal is harmless
            np.testing.assert_array_equal(store["x"][:], np.arange(3000.0))
    except HistotransferError as error:
        assert_says_what_to_delete(error, path)


@given(how=DAMAGE)
def test_a_damaged_table_is_found(folder: Path, how: Damage) -> None:
    path = folder / "table.tsv"
    table = pd.DataFrame({"target": [f"G{i}" for i in range(40)], "value": np.arange(40.0)})
    write_table(table, path, TABLE)
    whole = path.read_bytes()
    damage(path, how)
    if path.read_bytes() == whole:
        return
    with pytest.raises(HistotransferError) as caught:
        read_table(path, TABLE)
    assert_says_what_to_delete(caught.value, path)


@given(how=DAMAGE)
def test_a_table_whose_digest_is_damaged_is_not_believed(folder: Path, how: Damage) -> None:
    path = folder / "sealed.tsv"
    write_table(pd.DataFrame({"target": ["A", "B"], "value": [1.0, 2.0]}), path, TABLE)
    beside = folder / ".sealed.tsv.sha256"
    digest = beside.read_bytes()[:64]
    damage(beside, how)
    if beside.read_bytes()[:64] == digest:
        read_table(path, TABLE)
        return
    with pytest.raises(HistotransferError) as caught:
        read_table(path, TABLE)
    assert_says_what_to_delete(caught.value, path)


@given(how=DAMAGE)
def test_a_damaged_reference_stain_is_found(folder: Path, how: Damage) -> None:
    path = folder / "reference.json"
    with written_with_digest(path) as partial:
        partial.write_text(
            '{"schema": "stain/2", "glass": 240, "matrix": [[0.6, 0.1], [0.7, 0.9], [0.3, 0.1]], '
            '"max_concentrations": [1.5, 1.0]}'
        )
    whole = path.read_bytes()
    damage(path, how)
    if path.read_bytes() == whole:
        return
    with pytest.raises(HistotransferError) as caught:
        stain_reference.read_reference(path)
    assert_says_what_to_delete(caught.value, path)


def test_a_digest_in_a_table_s_shadow_is_of_the_form_that_sha256sum_reads(tmp_path: Path) -> None:
    write_table(pd.DataFrame({"x": [1]}), tmp_path / "a.tsv")
    command = ["sha256sum", "--check", "--strict", ".a.tsv.sha256"]
    assert subprocess.run(command, cwd=tmp_path, check=False, capture_output=True).returncode == 0


def test_other_readers_of_hdf5_open_our_stores(tmp_path: Path) -> None:
    """HDF5's own user block carries the digest, so nobody else needs to know of it."""
    with create_store(tmp_path / "a.h5", "tiles/1", {}) as store:
        store["coords"] = np.ones((2, 2))
    with h5py.File(tmp_path / "a.h5") as file:
        assert file.userblock_size == 512
        assert file["coords"].shape == (2, 2)
    assert store_digest(tmp_path / "a.h5") in (tmp_path / "a.h5").read_bytes()[:512].decode()


def test_files_are_opened_in_the_one_place_that_checks_them() -> None:
    """Outside `core`, only what reads the user's own files opens HDF5 and tables by itself."""
    not_ours = {
        *("core/user_tables.py", "features/external.py", "models/initial_weights.py"),
        "results/resource_usage.py",  # Snakemake's benchmarks
        "study/disk.py",  # counts tiles to guess the room they take; who reads them checks them
    }
    check_digests = {"core/hdf5.py", "core/tables.py", "labels/files.py"}
    openers = {"h5py.File", "pd.read_csv", "pd.read_table", "pd.read_hdf", "np.load", "np.memmap"}
    for path in sorted(LIBRARY.rglob("*.py")):
        calls = [
            node for node in ast.walk(ast.parse(path.read_text())) if isinstance(node, ast.Call)
        ]
        opens = openers.intersection(ast.unparse(call.func) for call in calls)
        name = path.relative_to(LIBRARY).as_posix()
        assert not opens or name in not_ours | check_digests, (name, opens)


KINDS = [
    "tiles/S00.h5",
    "metrics/S01.h5",
    "qc/S02.h5",
    "pooled/FOLDER.h5",
    "pooled/TABLE.h5",
    "labels/expression.tsv",
    "labels/mutation.tsv",
    "splits/mutation.tsv",
    "cv/expression/TABLE/001.h5",
    "scores/mutation/FOLDER.tsv",
    "tables/comparison.tsv",
    "tables/cohort.tsv",
]


@pytest.mark.long
def test_every_kind_of_file_damaged_in_a_study_leads_to_no_wrong_table(
    undisturbed: Tiny, tmp_path: Path
) -> None:
    rng = random.Random(7)
    study = undisturbed.copy(tmp_path / "study")
    right = undisturbed.tables()
    for number, name in enumerate(KINDS):
        path = study.results / name
        kind = ("cut", "flip", "zeros")[number % 3]
        damage(path, (kind, rng.uniform(0.1, 0.9), rng.randint(1, 255)))
        process = study.snakemake(*study.arguments())
        assert process.returncode != 0, name
        said = [line for line in process.stdout.splitlines() if line.startswith("error: ")]
        relative = path.relative_to(study.folder)
        assert said, (name, process.stdout[-3000:])
        for line in said:
            assert line.startswith(f"error: {relative}: "), line
            assert line.endswith(f"Delete it and make it again: snakemake {relative}."), line
        tables = study.tables()
        for table, content in tables.items():
            if f"tables/{table}" != name:
                assert content == right[table], (name, table)
        path.unlink()
        study.run(*study.arguments(str(relative)))
        study.run(*study.arguments())
        assert study.tables() == right, name
        print(f"{kind} {name}: found, made anew, tables the same")


@pytest.mark.long
def test_every_file_of_a_study_is_checked(undisturbed: Tiny, tmp_path: Path) -> None:
    """Forty random damages of every file that a stage reads: all found, by name."""
    rng = random.Random(8)
    study = undisturbed.copy(tmp_path / "study")
    files = [path for path in files_of(study.results) if path.suffix in {".h5", ".tsv"}]
    # Which slides share a start of the network, and which networks: damaged, they cost jobs and
    # change no table.
    files = [path for path in files if path.name not in ("batches.tsv", "groups.tsv")]
    assert len(files) > 50
    for path in files:
        whole = path.read_bytes()
        for _ in range(40):
            damage(path, (rng.choice(["cut", "flip", "zeros"]), rng.random(), rng.randint(1, 255)))
            now = path.read_bytes()
            seal = slice(512, None) if path.suffix == ".h5" else slice(None)
            if now[seal] != whole[seal]:
                with pytest.raises(HistotransferError) as caught:
                    check(path)
                assert caught.value.subject == str(path)
            path.write_bytes(whole)
