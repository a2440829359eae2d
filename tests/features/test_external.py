"""External features: what CLAM, TRIDENT and STAMP write is read, what is wrong is named."""

from __future__ import annotations

import fastparquet
import h5py
import numpy as np
import pandas as pd
import pytest

from histotransfer.core.errors import HistotransferError
from histotransfer.core.exclusions import Reason
from histotransfer.core.hdf5 import open_store
from histotransfer.core.tables import read_table
from histotransfer.features import external
from histotransfer.features.external import USED
from histotransfer.study.parameters import PoolingParameters
from support.features import write_slide

RANDOM = np.random.default_rng(3)
PATIENTS = {"s1": "P1", "s2": "P1", "s3": "P2"}
COORDS = np.array([(0, 0), (224, 0), (0, 224)])


def write_h5(path, features, *, name="features", coords=COORDS, **attrs):
    path.parent.mkdir(exist_ok=True)
    with h5py.File(path, "w") as file:
        file[name] = features
        if coords is not None:
            file["coords"] = coords
            file["coords"].attrs.update(attrs)


def pool(tmp_path, *, apply_qc=True, patients=PATIENTS):
    for slide in patients:  # the second of three tiles is rejected
        write_slide(
            tmp_path,
            slide,
            np.zeros((3, 1)),
            coords=COORDS,
            reason=[0, 2, 0],
            patch_size_level0=224,
        )
    external.pool_folder(
        tmp_path / "h5",
        tmp_path / "qc",
        patients,
        tmp_path / "pooled.h5",
        tmp_path / "used.tsv",
        extractor="E",
        parameters=PoolingParameters("mean", "mean", apply_qc),
    )
    with open_store(tmp_path / "pooled.h5", "pooled/1") as store:
        pooled = dict(zip(store["patient"].asstr()[:], store["features"][:], strict=True))
    return pooled, read_table(tmp_path / "used.tsv", USED).set_index("item")


def test_the_layouts_of_clam_trident_and_stamp_are_read(tmp_path):
    rows = RANDOM.normal(size=(3, 3, 8)).astype(np.float32)
    write_h5(tmp_path / "h5/s1.h5", rows[0])  # CLAM
    write_h5(tmp_path / "h5/s2.h5", rows[1][None])  # with a batch dimension
    micrometres = (COORDS * 0.5).astype(np.float32) + 1
    write_h5(tmp_path / "h5/s3.h5", rows[2].astype(np.float16), name="feats", coords=micrometres)
    pooled, used = pool(tmp_path)
    # On our grid quality control has its say; on another every patch counts, and it is said.
    first = rows[:2][:, [0, 2]].mean(axis=1)
    np.testing.assert_allclose(pooled["P1"], first.mean(axis=0), rtol=1e-5)
    np.testing.assert_allclose(pooled["P2"], rows[2].mean(axis=0), atol=1e-3)
    assert used["qc"].tolist() == ["applied", "applied", "other patches"]
    assert used["n_pooled"].tolist() == [2, 2, 3]
    assert used[["code", "detail", "remedy"]].isna().all(axis=None)
    pooled, used = pool(tmp_path, apply_qc=False)
    np.testing.assert_allclose(pooled["P1"], rows[:2].mean(axis=(0, 1)), rtol=1e-5)
    assert set(used["qc"]) == {"off"}


def test_a_file_may_lie_deeper_in_the_folder_and_only_those_meant_count(tmp_path, caplog):
    ones = np.ones((3, 4), np.float32)
    write_h5(tmp_path / "h5/s1.h5", ones)
    for name in ("features_uni_v1/s2.h5", "a/b/s3.h5"):
        (tmp_path / "h5" / name).parent.mkdir(parents=True)
        write_h5(tmp_path / "h5" / name, 2 * ones)
    for name in ("._s1.h5", "logs/s2.h5", ".cache/s3.h5", "s1.h5.parcel", "s1_patches.h5", "s9.h5"):
        (tmp_path / "h5" / name).parent.mkdir(exist_ok=True)
        (tmp_path / "h5" / name).write_text("no features")
    caplog.set_level("INFO")
    pooled, used = pool(tmp_path)
    assert pooled["P1"].tolist() == [1.5] * 4
    assert pooled["P2"].tolist() == [2] * 4
    assert used["code"].isna().all()
    assert "features_uni_v1" in caplog.text


@pytest.mark.parametrize("first", ["s2.h5", "features_uni_v1/s2.h5"])
def test_two_files_of_a_slide_are_an_error_that_names_both(tmp_path, first):
    for name in ("s1.h5", first, "features_ctranspath/s2.h5"):
        (tmp_path / "h5" / name).parent.mkdir(parents=True, exist_ok=True)
        write_h5(tmp_path / "h5" / name, np.ones((3, 4)))
    with pytest.raises(HistotransferError, match="two files of slide s2") as caught:
        pool(tmp_path)
    for name in (first, "features_ctranspath/s2.h5"):
        assert str(tmp_path / "h5" / name) in str(caught.value)


def test_our_own_features_are_read_by_the_same_reader(tmp_path):
    write_slide(tmp_path, "s1", RANDOM.normal(size=(3, 4)).astype(np.float16), coords=COORDS)
    features, coords = external.read_features(tmp_path / "features/s1.h5")
    assert features.shape == (3, 4)
    assert np.array_equal(coords, COORDS)


BROKEN = {
    "none of the names": (
        lambda p: write_h5(p, np.zeros((3, 4)), name="x"),
        "no_feature_dataset",
        "it holds coords, x",
    ),
    "one dimension": (lambda p: write_h5(p, np.zeros(3)), "features_wrong_type", "shape (3,)"),
    "two slides in one": (
        lambda p: write_h5(p, np.zeros((2, 3, 4))),
        "features_wrong_type",
        "shape (2, 3, 4)",
    ),
    "integers": (lambda p: write_h5(p, np.zeros((3, 4), int)), "features_wrong_type", "int64"),
    "no patch": (
        lambda p: write_h5(p, np.zeros((0, 4)), coords=np.zeros((0, 2))),
        "features_empty",
        "",
    ),
    "not a number": (
        lambda p: write_h5(p, np.full((3, 4), np.nan)),
        "features_not_finite",
        "3 of 3 patches",
    ),
    "coords of others": (
        lambda p: write_h5(p, np.zeros((2, 4))),
        "coords_wrong",
        "2 patches, coords of shape (3, 2)",
    ),
    "coords that are not finite": (
        lambda p: write_h5(p, np.zeros((3, 4)), coords=np.full((3, 2), np.nan)),
        "coords_wrong",
        "3 of 3 are not finite",
    ),
    "not HDF5": (lambda p: p.write_text("features"), "features_unreadable", "file signature"),
}


@pytest.mark.parametrize("case", BROKEN)
def test_a_slide_that_cannot_be_used_is_listed_with_the_reason(tmp_path, case):
    write, code, detail = BROKEN[case]
    for slide in ("s1", "s2"):
        write_h5(tmp_path / f"h5/{slide}.h5", np.ones((3, 4)))
    write(tmp_path / "h5/s3.h5")
    pooled, used = pool(tmp_path)
    assert list(pooled) == ["P1"]
    assert used["code"].dropna().to_dict() == {"s3": code}
    assert detail in Reason.of(used.loc["s3"]).detail


def test_a_missing_slide_is_listed_and_an_empty_folder_is_an_error(tmp_path):
    write_h5(tmp_path / "h5/s1.h5", np.ones((3, 4)))
    pooled, used = pool(tmp_path)
    assert list(pooled) == ["P1"]
    assert used["code"]["s2"] == "no_feature_file"
    (tmp_path / "h5/s1.h5").unlink()
    with pytest.raises(HistotransferError, match=r"any of the 3 slides \(s1 has no feature"):
        pool(tmp_path)
    assert not (tmp_path / "pooled.h5").exists()


def test_a_slide_of_which_no_patch_passes_is_listed_with_its_patches(tmp_path):
    write_h5(tmp_path / "h5/s1.h5", np.ones((1, 4)), coords=COORDS[1:2], patch_size_level0=224)
    write_h5(tmp_path / "h5/s3.h5", np.ones((3, 4)))
    pooled, used = pool(tmp_path)
    assert list(pooled) == ["P2"]
    counts = used.loc["s1", ["n_patches", "n_pooled", "qc", "code"]].tolist()
    assert counts == [1, 0, "applied", "no_patch_passes_qc"]


def test_verdicts_of_another_slide_are_refused(tmp_path):
    write_h5(tmp_path / "h5/s1.h5", np.ones((3, 4)))
    pool(tmp_path)
    (tmp_path / "qc/s2.h5").rename(tmp_path / "qc/s1.h5")
    with pytest.raises(HistotransferError, match="is of slide s2, expected s1"):
        external.pool_folder(
            tmp_path / "h5", tmp_path / "qc", PATIENTS, tmp_path / "p.h5", tmp_path / "u.tsv",
            extractor="E", parameters=PoolingParameters("mean", "mean", apply_qc=True),
        )  # fmt: skip


def test_slides_of_different_widths_are_an_error(tmp_path):
    write_h5(tmp_path / "h5/s1.h5", np.ones((3, 4)))
    write_h5(tmp_path / "h5/s3.h5", np.ones((3, 5)))
    with pytest.raises(HistotransferError, match=r"\[4, 5\] features"):
        pool(tmp_path)


def table(tmp_path, text, name="t.tsv"):
    (tmp_path / name).write_text(text, encoding="utf-8")
    external.pool_table(
        tmp_path / name, PATIENTS, tmp_path / "p.h5", tmp_path / "u.tsv", extractor="E"
    )
    with open_store(tmp_path / "p.h5", "pooled/1") as store:
        return store["patient"].asstr()[:].tolist(), store["features"][:].tolist()


def test_a_table_of_patients_is_read_and_what_it_lacks_is_listed(tmp_path):
    text = "id\ta\tb\nP2\t1\t2.5\nP9\t0\t0\nP1\t3\t\n"
    assert table(tmp_path, text) == (["P2"], [[1, 2.5]])
    used = read_table(tmp_path / "u.tsv", USED).set_index("item")["code"]
    assert used.dropna().to_dict() == {"P1": "features_not_finite", "id": "id_column"}
    assert used.index.tolist() == ["P1", "P2", "id"]
    text = "id,a,b\nP2,1,2.5\nP1,3,4\n"
    assert table(tmp_path, text, "t.csv") == (["P1", "P2"], [[3, 4], [1, 2.5]])


def test_patients_of_a_table_are_found_by_their_column_not_by_their_number(tmp_path):
    """R's row names come first, and are numbers as the patients are."""
    numbers = [3, 1, 2, 5, 4]
    rows = [f'"{row}",{n},{10 * n}' for row, n in enumerate(numbers, 1)]
    (tmp_path / "t.csv").write_text("\n".join(['"","patient","f1"', *rows, ",,", ",,"]))
    patients = {f"s{n}": str(n) for n in range(1, 6)}
    out = tmp_path / "p.h5"
    external.pool_table(tmp_path / "t.csv", patients, out, tmp_path / "u.tsv", extractor="E")
    with open_store(out, "pooled/1") as store:
        assert store["patient"].asstr()[:].tolist() == ["1", "2", "3", "4", "5"]
        assert store["features"][:].tolist() == [[10], [20], [30], [40], [50]]
    used = read_table(tmp_path / "u.tsv", USED).set_index("item")["code"]
    assert used["patient"] == "id_column"
    assert used["t.csv"] == "empty_rows"
    (tmp_path / "t.csv").write_text("nr;code;f\n1;2;0,5\n2;1;1,25\n")
    with pytest.raises(HistotransferError, match=r"'nr', 'code'.*`extractors\.E\.source\.id`"):
        external.pool_table(tmp_path / "t.csv", patients, out, tmp_path / "u.tsv", extractor="E")
    external.pool_table(
        tmp_path / "t.csv", patients, out, tmp_path / "u.tsv", extractor="E", id_column="code"
    )
    with open_store(out, "pooled/1") as store:
        assert store["features"][:].tolist() == [[2, 1.25], [1, 0.5]]


@pytest.mark.parametrize("indexed", [True, False])
def test_a_parquet_table_has_its_patients_in_the_index_or_in_the_first_column(tmp_path, indexed):
    frame = pd.DataFrame({"id": ["P2", "P1"], "a": [1.0, 3.0], "b": [2.5, 4.0]})
    frame = frame.set_index("id") if indexed else frame
    fastparquet.write(str(tmp_path / "t.parquet"), frame, write_index=indexed)
    external.pool_table(
        tmp_path / "t.parquet", PATIENTS, tmp_path / "p.h5", tmp_path / "u.tsv", extractor="E"
    )
    with open_store(tmp_path / "p.h5", "pooled/1") as store:
        assert store["patient"].asstr()[:].tolist() == ["P1", "P2"]
        assert store["features"][:].tolist() == [[3, 4], [1, 2.5]]


@pytest.mark.parametrize("contents", [b"", b"no Parquet", b"PAR1 and then nothing PAR1"])
def test_a_file_that_is_no_parquet_is_named(tmp_path, contents):
    (tmp_path / "t.parquet").write_bytes(contents)
    with pytest.raises(HistotransferError, match=r"t\.parquet: cannot be read as a table"):
        external.pool_table(
            tmp_path / "t.parquet", PATIENTS, tmp_path / "p.h5", tmp_path / "u.tsv", extractor="E"
        )


@pytest.mark.parametrize(
    ("text", "named"),
    [
        ("id\ta\nX\t1\n", r"names no patient of the cohort .*the cohort has P1, …; 'id' has X"),
        ("id\ta\nP1\t1\nP1\t2\n", "two rows of P1"),
        ("id\ta\nP1\thigh\n", "not a number"),
        ("id\ta\nP1\t\n", "no patient whose features are all finite numbers"),
        ("id\nP1\n", "has no column of features"),
        ("", "cannot be read"),
    ],
)
def test_a_wrong_table_is_named(tmp_path, text, named):
    with pytest.raises(HistotransferError, match=named):
        table(tmp_path, text)


def test_a_patch_that_is_listed_twice_counts_once_and_is_counted(tmp_path):
    rows = RANDOM.normal(size=(3, 4))
    twice = [0, 1, 2, 2, 2]
    write_h5(tmp_path / "h5/s1.h5", rows[twice], coords=COORDS[twice])
    write_h5(tmp_path / "h5/s3.h5", RANDOM.normal(size=(5, 4)), coords=COORDS[twice])
    pooled, used = pool(tmp_path)
    np.testing.assert_allclose(pooled["P1"], rows[[0, 2]].mean(axis=0), rtol=1e-5)
    counts = used.loc[["s1", "s3"], ["n_patches", "n_repeated", "n_pooled"]]
    # Other features of the same place are another picture of it, such as an augmented one.
    assert counts.to_numpy().tolist() == [[5, 2, 2], [5, 0, 4]]
    _, used = pool(tmp_path, apply_qc=False)
    assert used.loc["s1", ["n_repeated", "n_pooled"]].tolist() == [2, 3]


def test_the_table_says_how_coordinates_were_read(tmp_path):
    write_h5(tmp_path / "h5/s1.h5", np.ones((3, 4)), patch_size_level0=448)
    write_h5(tmp_path / "h5/s2.h5", np.ones((3, 4)), coords=None)
    write_h5(tmp_path / "h5/s3.h5", np.ones((3, 4)), patch_size=512, patch_level=1)
    _, used = pool(tmp_path)
    assert used["qc"].tolist() == ["applied by area", "other patches", "other patches"]
    assert used["coords"].tolist() == [
        "level-0 px, width 448 (patch_size_level0)",
        "none",
        "patch_size of an unknown level",
    ]
