"""Folds of the repeated cross-validation: drawn once per task, shared by all extractors."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import numpy.typing as npt
import pandas as pd

from ..core.errors import HistotransferError
from ..core.tables import read_table, write_table

# A stream of random numbers for each purpose: appending one leaves the others' draws alone.
STREAM = {
    "tissue": 0,
    "expression": 1,
    "mutation": 2,
    "inner folds": 3,
    "bootstrap": 4,
    "predictor": 5,
    "embedding": 6,
}


def write_splits(
    labels_path: str | Path,
    out_path: str | Path,
    *,
    kind: str,
    folds: int,
    repeats: int,
    seed: int,
    preserve: str,
) -> None:
    """Write repeat, sample and fold of every repeat of a task's cross-validation.

    Parameters
    ----------
    labels_path : str or Path
        ``labels/{task}.tsv``.
    out_path : str or Path
        ``splits/{task}.tsv``: repeat, sample, fold (0-based); sorted by repeat and sample.
    kind : {"tissue", "expression", "mutation"}
        Tissue is stratified by class and mutation by all genes at once; expression is not.
        All genes of a task share their folds, not each its own: a training fold is then decomposed
        once for all, one file tells who was tested when, and the balance of a single gene is hardly
        worse, since rare genes are dealt first.
    folds, repeats : int
        The size of the cross-validation.
    seed : int
        Repeat r depends on (seed, kind, r) and the labels alone: more repeats keep the first ones.

    preserve : {"none", "site"}
        ``site`` keeps the patients of a TCGA tissue source site, the second part of the barcode, on
        one side: what tells sites apart then tells no labels (Howard et al., Nat Commun
        2021;12:4423). Of patches nobody knows the site; their groups stay as they are.

    Raises
    ------
    HistotransferError
        If there are fewer groups than folds, or a patient has no TCGA barcode to tell its site.
    """
    types = {"sample": "str", "group": "str", "tissue": "str"}
    labels = read_table(labels_path, **types).sort_values("sample", ignore_index=True)
    group = labels["group"] if "group" in labels else labels["sample"]
    if preserve == "site" and kind != "tissue":
        group = _sites(labels["sample"], labels_path)
    codes, groups = pd.factorize(group, sort=True)
    if len(groups) < folds:
        raise HistotransferError(
            labels_path,
            f"has {len(groups)} groups of samples for {folds} folds",
            "Lower `crossval: folds` in the config, label more samples, or set `preserve: none`",
        )
    strata = indicators(labels, kind)
    counts = np.zeros((len(groups), strata.shape[1]), dtype=np.int64)
    np.add.at(counts, codes, strata)
    sizes = np.bincount(codes)
    tables = []
    for repeat in range(repeats):
        rng = np.random.default_rng([seed, STREAM[kind], repeat])
        fold = stratified_folds(counts, sizes, folds, rng)[codes]
        tables.append(pd.DataFrame({"repeat": repeat, "sample": labels["sample"], "fold": fold}))
    write_table(pd.concat(tables), out_path)


def _sites(patients: pd.Series[str], labels_path: str | Path) -> pd.Series[str]:
    """Return the tissue source site of each patient."""
    site = patients.str.extract(r"^TCGA-([A-Z0-9]{2})-", expand=False)
    if site.isna().any():
        raise HistotransferError(
            labels_path,
            f"names {patients[site.isna()].iloc[0]}, which is no TCGA barcode and tells no site",
            "Set `crossval: preserve` in the config to `none`",
        )
    return site


def indicators(labels: pd.DataFrame, kind: str) -> npt.NDArray[np.int64]:
    """Return what is stratified: (samples, strata) zeros and ones, strata in the order of names.

    Expression has no strata. A sample not sequenced for a gene counts as no carrier of it.
    """
    if kind == "tissue":
        return pd.get_dummies(labels["tissue"]).to_numpy(dtype=np.int64)
    if kind == "mutation":
        genes = labels.drop(columns="sample").sort_index(axis=1)
        return genes.fillna(0).to_numpy(dtype=np.int64)
    return np.zeros((len(labels), 0), dtype=np.int64)


def stratified_folds(
    counts: npt.NDArray[np.int64],
    sizes: npt.NDArray[np.int64],
    folds: int,
    rng: np.random.Generator,
) -> npt.NDArray[np.int64]:
    """Assign groups to folds by iterative stratification (Sechidis, Tsoumakas, Vlahavas 2011).

    The stratum with the fewest unassigned samples goes first, because it is the hardest to spread;
    each of its groups goes to the fold that lacks this stratum most, among equals to the fold that
    lacks samples most, among equals at random. Groups of no stratum fill the folds up.

    Parameters
    ----------
    counts : (groups, strata) int
        How many samples of each stratum a group holds.
    sizes : (groups,) int
        How many samples a group holds.
    folds : int
        The number of folds.
    rng : numpy.random.Generator
        Draws the order of the groups and the ties.

    Returns
    -------
    (groups,) int
        The fold of each group.
    """
    n_groups, n_strata = counts.shape
    order = rng.permutation(n_groups)
    ties = rng.random((n_groups, folds)).tolist()
    wanted = np.repeat(counts.sum(axis=0)[:, None] / folds, folds, axis=1).tolist()
    room = [sizes.sum() / folds] * folds
    assigned = np.full(n_groups, -1, dtype=np.int64)

    def assign(group: int, lacking: list[float]) -> None:
        tie = ties[group]
        fold = max(range(folds), key=lambda f: (lacking[f], room[f], tie[f]))
        assigned[group] = fold
        room[fold] -= int(sizes[group])
        for stratum in np.flatnonzero(counts[group]):
            wanted[stratum][fold] -= int(counts[group, stratum])

    open_strata = set(range(n_strata))
    while open_strata:
        left = counts[assigned < 0].sum(axis=0)
        stratum = min(open_strata, key=lambda s: (left[s], s))
        open_strata.remove(stratum)
        for group in order[(assigned[order] < 0) & (counts[order, stratum] > 0)]:
            assign(group, wanted[stratum])
    for group in order[assigned[order] < 0]:
        assign(group, room)
    return assigned
