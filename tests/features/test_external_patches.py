"""Another tool's features of a dataset: names are matched, what cannot be used is named."""

from __future__ import annotations

import re
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import h5py
import numpy as np
import pandas as pd
import pytest

from histotransfer.core.errors import HistotransferError
from histotransfer.core.hdf5 import create_store, open_store
from histotransfer.core.tables import read_table
from histotransfer.features.external_patches import OF_PATCHES, admit_features
from histotransfer.patches.names import PATCH_NAMES
from support.errors import assert_clear
from support.root import ROOT

NAMES = ["ADI/1.png", "ADI/2.png", "TUM/3.png", "TUM/4.png"]
ROWS = np.arange(12, dtype=np.float32).reshape(4, 3)


def write_dataset(path: Path, names: list[str] = NAMES, groups: tuple[str, ...] = ()) -> Path:
    with create_store(path, PATCH_NAMES, {"dataset": "TEST", "classes": ["ADI", "TUM"]}) as store:
        store["names"] = names
        store["labels"] = np.array([name.startswith("TUM") for name in names], np.int16)
        if groups:
            store["groups"] = list(groups)
    return path


def write_h5(path: Path, **datasets: Any) -> Path:
    with h5py.File(path, "w") as file:
        for name, values in datasets.items():
            if values is not None:
                file[name] = values
    return path


def admit(folder: Path, groups: tuple[str, ...] = (), **datasets: Any) -> dict[str, list[float]]:
    """Admit a file of these datasets, and return the features by patch."""
    source = write_h5(folder / "TEST.h5", **datasets)
    admit_features(
        source, write_dataset(folder / "patches.h5", groups=groups), folder / "out.h5",
        folder / "used.tsv", extractor="UNI", dataset="TEST",
    )  # fmt: skip
    with open_store(folder / "out.h5", "features/1", dataset="TEST", extractor="UNI") as store:
        names = store["names"].asstr()[:].tolist()
        assert store["labels"][:].tolist() == [int(name.startswith("TUM")) for name in names]
        if groups:
            of_patch = dict(zip(NAMES, groups, strict=True))
            assert store["groups"].asstr()[:].tolist() == [of_patch[name] for name in names]
        return dict(zip(names, store["features"][:].tolist(), strict=True))


def reasons(folder: Path) -> dict[str, str]:
    table = read_table(folder / "used.tsv", OF_PATCHES)
    return table.dropna(subset=["code"]).set_index("item")["code"].to_dict()


@pytest.mark.parametrize(
    "names",
    [
        NAMES,
        [name.removesuffix(".png") for name in NAMES],
        [name.rpartition("/")[2] for name in NAMES],
        ["1", "2", "3", "4"],
        [name.replace("/", "\\") for name in NAMES],
        [f"/home/me/data/test/{name}" for name in NAMES],
        np.array(NAMES, "S20"),
        np.array([NAMES], dtype=object),
    ],
    ids=["paths", "stems", "files", "bare", "Windows", "absolute", "bytes", "a batch"],
)
def test_names_are_matched_in_any_order(tmp_path: Path, names: Any) -> None:
    order = [2, 0, 3, 1]
    shuffled = np.asarray(names)[..., order]
    if shuffled.dtype.kind == "U":
        shuffled = shuffled.tolist()
    found = admit(tmp_path, tuple("PPQQ"), features=ROWS[order], names=shuffled)
    assert list(found) == NAMES
    assert list(found.values()) == ROWS.tolist()
    assert reasons(tmp_path) == {}


@pytest.mark.parametrize("dtype", ["f2", "f4", "f8", ">f4"])
def test_numbers_of_any_floating_type_in_a_batch_or_not(tmp_path: Path, dtype: str) -> None:
    found = admit(tmp_path, feats=ROWS.astype(dtype)[None], names=NAMES)
    assert list(found.values()) == ROWS.tolist()


def test_what_is_missing_repeated_or_of_another_dataset_is_listed(tmp_path: Path) -> None:
    rows = np.concatenate([ROWS[[0, 0, 1, 2]], np.ones((2, 3))])
    rows[2] = np.inf
    found = admit(
        tmp_path,
        tuple("PPQQ"),
        features=rows,
        names=["ADI/1.png", "ADI/1", "ADI/2.png", "TUM/3.png", "x/8.png", "x/9.png"],
    )
    assert found == {"ADI/1.png": ROWS[0].tolist(), "TUM/3.png": ROWS[2].tolist()}
    table = read_table(tmp_path / "used.tsv", OF_PATCHES)
    assert table["item"].tolist() == [*NAMES, "TEST.h5", "TEST.h5"]
    assert table["code"].fillna("").tolist() == [
        "", "features_not_finite", "", "no_feature_row", "not_in_dataset", "patches_repeated"
    ]  # fmt: skip
    assert table["detail"].tolist()[-2:] == ["x/8.png, x/9.png", "ADI/1.png"]


WRONG = {
    "no names": ({"names": None}, "has no names of its patches .it holds features."),
    "numbers for names": ({"names": np.arange(4)}, "names is not a dataset of text"),
    "fewer names": ({"names": NAMES[:3]}, "4 patches, 3 names"),
    "no features": ({"features": None, "x": ROWS}, "without a dataset of features"),
    "integers": ({"features": ROWS.astype(int)}, "wrong type or shape .features is int64"),
    "one dimension": ({"features": ROWS[:, 0]}, "of shape .4,."),
    "nothing finite": ({"features": ROWS * np.nan}, "has no patch of TEST whose features are all"),
    "too large for float32": ({"features": ROWS.astype("f8") + 1e99}, "has no patch of TEST"),
    "another dataset": (
        {"names": ["a", "b", "c", "d"]},
        "names none of the 4 patches of TEST: it has a, the dataset ADI/1.png",
    ),
    "two rows": (
        {"names": ["ADI/1.png", "1.png", "3", "4"]},
        r"two rows of ADI/1.png \(once as 1.png\), with different features",
    ),
}


@pytest.mark.parametrize(("changed", "message"), WRONG.values(), ids=WRONG)
def test_a_file_that_cannot_be_used_is_named(
    tmp_path: Path, changed: dict[str, Any], message: str
) -> None:
    with pytest.raises(HistotransferError, match=message) as caught:
        admit(tmp_path, **{"features": ROWS, "names": NAMES, **changed})
    assert_clear(caught.value, str(tmp_path / "TEST.h5"))
    assert not (tmp_path / "out.h5").exists()


def test_a_name_that_may_be_two_patches_is_an_error(tmp_path: Path) -> None:
    write_h5(tmp_path / "TEST.h5", features=ROWS[:1], names=["1.png"])
    patches = write_dataset(tmp_path / "p.h5", ["ADI/1.png", "TUM/1.png"])
    with pytest.raises(HistotransferError, match=r"may be ADI/1.png or TUM/1.png of T") as caught:
        admit_features(
            tmp_path / "TEST.h5", patches, tmp_path / "o.h5", tmp_path / "u.tsv",
            extractor="UNI", dataset="TEST",
        )  # fmt: skip
    assert_clear(caught.value)


def test_names_or_features_of_other_files_are_refused(tmp_path: Path) -> None:
    write_h5(tmp_path / "other.h5", names=NAMES)
    with h5py.File(tmp_path / "TEST.h5", "w") as file:
        file["features"] = ROWS
        file["names"] = h5py.ExternalLink("other.h5", "names")
    with pytest.raises(HistotransferError, match="stored in another file"):
        admit_features(
            tmp_path / "TEST.h5", write_dataset(tmp_path / "p.h5"), tmp_path / "o.h5",
            tmp_path / "u.tsv", extractor="UNI", dataset="TEST",
        )  # fmt: skip
    (tmp_path / "TEST.h5").write_text("no HDF5")
    with pytest.raises(HistotransferError, match=r"cannot be read .*file signature"):
        admit_features(
            tmp_path / "TEST.h5", write_dataset(tmp_path / "p.h5"), tmp_path / "o.h5",
            tmp_path / "u.tsv", extractor="UNI", dataset="TEST",
        )  # fmt: skip


def test_the_lines_that_write_features_of_anndata_are_right(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """They are run on plain arrays by AnnData's names, so that it need not be installed."""
    shown = re.search(r"```python\n(.*?)```", (ROOT / "docs/your-study.md").read_text(), re.DOTALL)
    assert shown
    monkeypatch.chdir(tmp_path)
    (tmp_path / "data/uni").mkdir(parents=True)
    adata = SimpleNamespace(obsm={"UNI": ROWS.astype("f8")}, obs_names=pd.Index(NAMES))
    exec(shown[1], {"adata": adata})  # noqa: S102
    admit_features(
        tmp_path / "data/uni/TEST.h5", write_dataset(tmp_path / "p.h5"), tmp_path / "o.h5",
        tmp_path / "u.tsv", extractor="UNI", dataset="TEST",
    )  # fmt: skip
    with open_store(tmp_path / "o.h5", "features/1") as store:
        assert store["features"][:].tolist() == ROWS.tolist()
