"""Folds: every sample once, groups whole, strata even, and nothing else matters."""

from __future__ import annotations

from itertools import combinations

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.model_selection import StratifiedGroupKFold

from histotransfer.core.errors import HistotransferError
from histotransfer.core.tables import read_table
from histotransfer.evaluation.splits import (
    SPLITS,
    fold_of_samples,
    stratified_folds,
    write_splits,
)
from support.errors import assert_clear
from support.tasks import splitting, write_values

GENES = ["TP53", "LRP1B", "KRAS", "KEAP1", "FAT4", "STK11", "EGFR", "NF1", "SETBP1", "FAT1"]


def labels_of(kind: str, n: int, rng: np.random.Generator) -> pd.DataFrame:
    sample = [f"S{i:03d}" for i in range(n)]
    if kind == "tissue":
        tissue = rng.choice(["A", "B", "C"], n, p=[0.6, 0.3, 0.1])
        group = [f"P{g}" for g in rng.integers(n // 2 + 3, size=n)]
        return pd.DataFrame({"sample": sample, "group": group, "class": tissue})
    values = {f"G{j}": rng.integers(0, 2, n) for j in range(3)}
    return pd.DataFrame({"sample": sample, **values})


def splits_of(folder, labels, *, kind, folds=5, repeats=3, seed=7, group_by="patient"):
    values = labels.drop(columns=["sample", "group"], errors="ignore")
    groups = labels["group"].tolist() if "group" in labels else None
    path = write_values(folder / "labels.tsv", labels["sample"].tolist(), values, groups)
    write_splits(
        path, folder / "splits.tsv", task="t", kind=kind,
        parameters=splitting(seed, folds=folds, repeats=repeats, group_by=group_by),
        of_patches=kind == "tissue",
    )  # fmt: skip
    table = read_table(folder / "splits.tsv", SPLITS, task="t")
    return table.drop(columns="task").astype({"repeat": int, "fold": int})


@given(
    kind=st.sampled_from(["tissue", "expression", "mutation"]),
    n=st.integers(20, 60),
    folds=st.integers(2, 5),
    seed=st.integers(0, 10**6),
)
@settings(max_examples=40)
def test_every_sample_is_tested_once_and_no_group_is_on_both_sides(
    tmp_path_factory, kind, n, folds, seed
):
    labels = labels_of(kind, n, np.random.default_rng(seed))
    splits = splits_of(tmp_path_factory.mktemp("s"), labels, kind=kind, folds=folds, seed=seed)
    for _, split in splits.groupby("repeat"):
        assert sorted(split["sample"]) == sorted(labels["sample"])
        assert set(split["fold"]) == set(range(folds))
        if "group" in labels:
            fold = split.set_index("sample")["fold"].loc[labels["sample"]]
            assert (fold.groupby(labels["group"].to_numpy()).nunique() == 1).all()


@pytest.mark.parametrize("kind", ["tissue", "expression", "mutation"])
def test_order_of_rows_and_columns_and_further_repeats_change_nothing(tmp_path, kind):
    labels = labels_of(kind, 40, np.random.default_rng(1))
    first = splits_of(tmp_path, labels, kind=kind)
    bytes_of_first = (tmp_path / "splits.tsv").read_bytes()
    shuffled = labels.sample(frac=1, random_state=1)
    shuffled = shuffled[["sample", *reversed(shuffled.columns.drop("sample"))]]
    splits_of(tmp_path, shuffled, kind=kind)
    assert (tmp_path / "splits.tsv").read_bytes() == bytes_of_first
    longer = splits_of(tmp_path, labels, kind=kind, repeats=5)
    pd.testing.assert_frame_equal(longer.iloc[: len(first)], first)
    other = splits_of(tmp_path, labels, kind=kind, seed=8)
    assert (other["fold"] != first["fold"]).mean() > 0.5
    a, b = (first.loc[first["repeat"] == repeat, "fold"].to_numpy() for repeat in (0, 1))
    assert (a != b).mean() > 0.5


def test_classes_and_unlabelled_samples_spread_evenly(tmp_path):
    rng = np.random.default_rng(2)
    tissue = labels_of("tissue", 97, rng).assign(group=lambda t: t["sample"])
    splits = splits_of(tmp_path, tissue, kind="tissue")
    table = splits.merge(tissue, on="sample")
    for _, counts in table.groupby(["repeat", "class"])["fold"]:
        spread = np.bincount(counts, minlength=5)
        assert spread.max() - spread.min() <= 1
    splits = splits_of(tmp_path, labels_of("expression", 97, rng), kind="expression")
    sizes = splits.groupby(["repeat", "fold"]).size()
    assert set(sizes) == {19, 20}


def test_all_genes_of_a_real_table_are_stratified_at_once(realdata, tmp_path):
    table = pd.read_csv(realdata / "tables" / "luad_mutation_status_10genes.csv")
    labels = table.rename(columns={"SAMPLE_ID": "sample"})
    splits = splits_of(tmp_path, labels, kind="mutation", repeats=3)
    share = splits.merge(labels, on="sample").groupby(["repeat", "fold"])[GENES].sum()
    assert (share - labels[GENES].sum() / 5).abs().max(axis=None) <= 2
    sizes = splits.groupby(["repeat", "fold"]).size()
    assert sizes.max() - sizes.min() <= 4


def test_large_groups_do_not_crowd_one_fold():
    rng = np.random.default_rng(3)
    sizes = rng.integers(1, 20, 100)
    counts = np.column_stack([sizes, np.zeros(100, dtype=int)])
    fold = stratified_folds(counts, sizes, 5, rng)
    load = np.bincount(fold, weights=sizes)
    assert load.max() - load.min() <= sizes.max()


SITES = [
    89,
    44,
    33,
    32,
    31,
    29,
    23,
    18,
    18,
    15,
    12,
    12,
    12,
    11,
    10,
    9,
    9,
    8,
    7,
    7,
    6,
    5,
    4,
    4,
    3,
    2,
    2,
]
"""Patients of 27 tissue source sites, as large as those of TCGA-LUAD."""


def draws_of_sites(strata, rates=(0.3, 0.1, 0.5), repeats=20):
    """Return the site of each patient, some genes' status, and each repeat's folds of sites."""
    rng = np.random.default_rng(5)
    site = np.repeat(np.arange(len(SITES)), SITES)
    status = (rng.random((len(site), strata)) < np.resize(rates, strata)).astype(int)
    counts = np.zeros((len(SITES), strata), dtype=np.int64)
    np.add.at(counts, site, status)
    draws = [stratified_folds(counts, np.array(SITES), 5, rng) for _ in range(repeats)]
    return site, status, draws


def of_scikit_learn(site, status, repeats=20):
    """Return the folds of sites by StratifiedGroupKFold."""
    for repeat in range(repeats):
        draw = np.empty(len(SITES), dtype=int)
        splitter = StratifiedGroupKFold(5, shuffle=True, random_state=repeat)
        for fold, (_, tested) in enumerate(splitter.split(site, status, site)):
            draw[site[tested]] = fold
        yield draw


def alike(draws):
    """Return how much of what shares a fold in either of two repeats does so in both."""
    pairs = np.triu(np.outer(SITES, SITES), 1)
    together = [draw[:, None] == draw for draw in draws]
    both = [(pairs * (a & b)).sum() / (pairs * (a | b)).sum() for a, b in combinations(together, 2)]
    return np.mean(both)


@pytest.mark.parametrize("strata", [0, 1, 10])
def test_sites_fill_folds_as_evenly_as_scikit_learns_and_differently_in_each_repeat(strata):
    site, status, draws = draws_of_sites(strata)
    loads = np.array([np.bincount(draw, SITES, minlength=5) for draw in draws])
    assert loads.min() >= 80
    assert loads.max() <= 105  # 91 are a fifth of all
    theirs = list(of_scikit_learn(site, status[:, 0] if strata else np.arange(len(site)) % 2))
    spread = np.ptp([np.bincount(draw, SITES, minlength=5) for draw in theirs], axis=1)
    assert np.ptp(loads, axis=1).mean() <= spread.mean()
    # Parted at random, pairs of patients would agree by a ninth: 1/25 of them are together twice.
    assert alike(draws) < 0.2
    if strata:
        carriers = np.array(
            [[status[draw[site] == f].sum(axis=0) for f in range(5)] for draw in draws]
        )
        relative = np.abs(carriers / status.sum(axis=0) * 5 - 1).mean()
        at_random = [np.random.default_rng(r).permutation(draw) for r, draw in enumerate(draws)]
        rivals = np.array([[status[d[site] == f].sum(axis=0) for f in range(5)] for d in at_random])
        assert relative < 0.7 * np.abs(rivals / status.sum(axis=0) * 5 - 1).mean()


def stratified_one_by_one(counts, sizes, folds, rng):
    """Stratify iteratively, the plain way: count what is left anew for each stratum."""
    order, ties = rng.permutation(len(counts)), rng.random((len(counts), folds))
    fold = np.full(len(counts), -1)

    def assign(group, stratum):
        def lacking(f):
            there = fold == f
            room = sizes.sum() / folds - sizes[there].sum()
            wanted = room
            if stratum is not None:
                wanted = counts[:, stratum].sum() / folds - counts[there, stratum].sum()
            return wanted, room, ties[group, f]

        fold[group] = max(range(folds), key=lacking)

    for _ in range(counts.shape[1]):
        left = counts[fold < 0].sum(axis=0)
        if not left.any():
            break
        stratum = int(np.where(left > 0, left, left.max() + 1).argmin())
        for group in order:
            if fold[group] < 0 and counts[group, stratum]:
                assign(group, stratum)
    for group in order:
        if fold[group] < 0:
            assign(group, None)
    return fold


@given(st.integers(0, 10**6), st.integers(5, 25), st.integers(0, 12), st.integers(2, 5))
@settings(max_examples=60)
def test_counting_along_gives_the_folds_of_counting_anew(seed, groups, strata, folds):
    rng = np.random.default_rng(seed)
    sizes = np.full(groups, rng.integers(1, 4))
    counts = np.minimum(rng.poisson(rng.uniform(0, 1, strata), (groups, strata)), sizes[:, None])
    draw = [np.random.default_rng(seed) for _ in range(2)]
    expected = stratified_one_by_one(counts, sizes, folds, draw[0])
    np.testing.assert_array_equal(stratified_folds(counts, sizes, folds, draw[1]), expected)


def test_genes_too_rare_for_the_folds_change_none(tmp_path):
    labels = labels_of("mutation", 60, np.random.default_rng(1))
    first = splits_of(tmp_path, labels, kind="mutation")
    rare = {f"A{j}": (np.arange(60) % 20 == j).astype(int) for j in range(20)}  # 3 of 60
    assert splits_of(tmp_path, labels.assign(**rare), kind="mutation").equals(first)
    enough = {"A0": (np.arange(60) % 6 == 0).astype(int)}  # 10 of 60, two for each fold
    table = splits_of(tmp_path, labels.assign(**enough, **{"A1": rare["A1"]}), kind="mutation")
    carriers = table[table["sample"].isin(labels["sample"][::6])]
    assert (carriers.groupby(["repeat", "fold"]).size() == 2).all()


def test_fewer_groups_than_folds_is_an_error_that_says_so(tmp_path):
    labels = labels_of("expression", 20, np.random.default_rng(4)).iloc[:4]
    with pytest.raises(
        HistotransferError, match=r"labels\.tsv: has 4 groups of samples for 5 folds"
    ):
        splits_of(tmp_path, labels, kind="expression")


@given(seed=st.integers(0, 10**6), n=st.integers(30, 90))
@settings(max_examples=20)
def test_a_site_stays_on_one_side(tmp_path_factory, seed, n):
    rng = np.random.default_rng(seed)
    sample = [f"TCGA-{site:02d}-{i:04d}" for i, site in enumerate(rng.integers(12, size=n))]
    labels = pd.DataFrame({"sample": sample, "G": rng.integers(0, 2, n)})
    folder = tmp_path_factory.mktemp("s")
    splits = splits_of(folder, labels, kind="mutation", folds=3, group_by="site")
    for _, split in splits.groupby("repeat"):
        assert sorted(split["sample"]) == sorted(sample)
        assert (split["fold"].groupby(split["sample"].str[5:7]).nunique() == 1).all()
        assert set(split["fold"]) == {0, 1, 2}


def test_a_site_cannot_be_told_from_other_ids(tmp_path):
    labels = labels_of("mutation", 40, np.random.default_rng(1))
    with pytest.raises(HistotransferError, match="names S000, which is not a TCGA barcode"):
        splits_of(tmp_path, labels, kind="mutation", group_by="site")


def test_real_sites_fill_folds_evenly_and_keep_common_genes_balanced(realdata, tmp_path):
    table = pd.read_csv(realdata / "tables" / "luad_mutation_status_10genes.csv")
    labels = table.assign(SAMPLE_ID=table["SAMPLE_ID"].str[:12]).rename(
        columns={"SAMPLE_ID": "sample"}
    )
    splits = splits_of(tmp_path, labels, kind="mutation", group_by="site")
    sites = splits["sample"].str[5:7]
    assert (splits.groupby(["repeat", sites])["fold"].nunique() == 1).all()
    sizes = splits.groupby(["repeat", "fold"]).size()
    assert sizes.between(100, 127).all()  # 113 are a fifth of all
    share = splits.merge(labels, on="sample").groupby(["repeat", "fold"])["TP53"].mean()
    assert share.between(0.35, 0.65).all()  # 0.51 of all


def test_the_folds_of_a_repeat_are_read_in_the_order_of_the_samples():
    splits = pd.DataFrame(
        {"repeat": [0, 0, 1, 1], "sample": ["A", "B", "B", "A"], "fold": [0, 1, 2, 3]}
    )
    assert fold_of_samples(splits, 0, ["B", "A"], "splits.tsv").tolist() == [1, 0]
    assert fold_of_samples(splits, 1, ["A", "B"], "splits.tsv").tolist() == [3, 2]
    with pytest.raises(HistotransferError, match=r"no fold for sample C in repeat 1") as caught:
        fold_of_samples(splits, 1, ["A", "C"], "splits.tsv")
    assert_clear(caught.value, "splits.tsv")
