"""Files appear whole or not at all, and say what they are."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from histotransfer.core.errors import HistotransferError
from histotransfer.core.files import written_whole
from histotransfer.core.hdf5 import create_store, open_store
from histotransfer.core.tables import TableSchema, read_table, write_table


def test_a_failed_write_leaves_the_old_file_and_nothing_else(tmp_path: Path) -> None:
    path = tmp_path / "table.tsv"
    path.write_text("old")

    def fail() -> None:
        with written_whole(path) as partial:
            partial.write_text("half")
            raise RuntimeError

    with pytest.raises(RuntimeError):
        fail()
    assert path.read_text() == "old"
    assert list(tmp_path.iterdir()) == [path]


def test_a_store_comes_back_with_its_schema_and_parameters(tmp_path: Path) -> None:
    path = tmp_path / "deep" / "slide.h5"
    with create_store(path, "tiles/1", {"slide": "S", "mpp": 0.5, "error": None}) as store:
        store["coords"] = np.arange(6, dtype="i4").reshape(3, 2)
    with open_store(path, "tiles/1") as store:
        assert store["coords"].shape == (3, 2)
        assert dict(store.attrs)["error"] == ""
        assert "histotransfer_version" in store.attrs


@pytest.mark.parametrize("damage", ["missing", "empty", "truncated", "other schema"])
def test_a_damaged_store_is_refused_by_name(tmp_path: Path, damage: str) -> None:
    path = tmp_path / "slide.h5"
    with create_store(path, "qc/1" if damage == "other schema" else "tiles/1", {}) as store:
        store["coords"] = np.zeros((1000, 2))
    if damage == "missing":
        path.unlink()
    elif damage == "empty":
        path.write_bytes(b"")
    elif damage == "truncated":
        path.write_bytes(path.read_bytes()[:-500])
    with (
        pytest.raises(HistotransferError, match=r"slide\.h5.*(Delete|snakemake)"),
        open_store(path, "tiles/1"),
    ):
        pass


def test_a_table_keeps_ids_as_text_and_genes_called_na(tmp_path: Path) -> None:
    path = tmp_path / "table.tsv"
    schema = TableSchema("table", {"patient": "text", "x": "number"})
    write_table(pd.DataFrame({"patient": ["007", "NA"], "x": [0.1 + 0.2, None]}), path, schema)
    table = read_table(path, schema)
    assert table["patient"].tolist() == ["007", "NA"]
    assert table["x"][0] == 0.1 + 0.2
    assert table["x"].isna().tolist() == [False, True]
