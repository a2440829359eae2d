"""Folds of the repeated cross-validation: drawn once per task, shared by all extractors."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
import pandas as pd

from ..core.errors import HistotransferError
from ..core.patient_ids import tissue_source_site
from ..core.streams import stream
from ..core.tables import TableSchema, write_table
from ..labels.files import TaskLabels, read_labels_file
from ..study.parameters import SplitParameters
from .kinds import KINDS, refuse_rare
from .predictors.predictor import Ints

STRATA_WEIGHT = 0.5
"""What the balance of all strata together weighs beside that of the sizes of folds."""
SHUFFLED_BY = 0.25
"""Spread of the random factor (on the log scale) by which groups of several sizes are ordered."""

SPLITS = TableSchema.of("splits", "text: task", "integer: repeat", "text: sample", "integer: fold")


def write_splits(
    labels_path: str | Path,
    out_path: str | Path,
    *,
    task: str,
    kind: str,
    parameters: SplitParameters,
    of_patches: bool = False,
    repeats: Sequence[int] | None = None,
    sites: Mapping[str, str] | None = None,
) -> None:
    """Draw the folds of every repeat (or of some `repeats`) of a task's cross-validation.

    All genes of a task share their folds: a training fold is then decomposed once for all, one file
    tells who was tested when, and the balance of a single gene is hardly worse, since rare genes
    are dealt first.

    The table `SPLITS` counts folds from 0, and is sorted by repeat and sample; the kind's
    `TaskKind.strata` are spread evenly over the folds. Repeat r depends on (seed, kind, r) and the
    labels alone: more repeats keep the first ones. The site of a patient is that of `sites`, by
    default the second part of the TCGA barcode; what tells sites apart then tells no labels (Howard
    et al., Nat Commun 2021;12:4423). Nobody knows the site of a patch: if the samples are
    `of_patches`, they keep their groups.

    Raises
    ------
    HistotransferError
        If there are fewer groups than folds, a class of patients is too rare for them, or a
        patient's site is unknown.
    """
    labels = read_labels_file(labels_path)
    labels = TaskLabels(labels.group.sort_index(), labels.values.sort_index())
    group, folds = labels.group, parameters.folds
    if not of_patches:
        refuse_rare(KINDS[kind], labels, folds, labels_path)
        if parameters.group_by == "site":
            group = sites_of(labels.samples, labels_path, sites)
    codes, groups = pd.factorize(group, sort=True)
    if len(groups) < folds:
        raise HistotransferError(
            labels_path,
            f"has {len(groups)} groups of samples for {folds} folds",
            "Lower `crossval: folds` in the config, label more samples, or set `group_by: patient`",
        )
    strata = KINDS[kind].strata(labels, folds)
    counts = np.zeros((len(groups), strata.shape[1]), dtype=np.int64)
    np.add.at(counts, codes, strata)
    sizes = np.bincount(codes)
    tables = []
    for repeat in range(parameters.repeats) if repeats is None else repeats:
        rng = stream(parameters.seed, f"folds of {kind}", repeat)
        fold = stratified_folds(counts, sizes, folds, rng)[codes]
        tables.append(pd.DataFrame({"repeat": repeat, "sample": labels.samples, "fold": fold}))
    write_table(pd.concat(tables).assign(task=task), out_path, SPLITS)


def sites_of(
    patients: Sequence[str], labels_path: str | Path, sites: Mapping[str, str] | None = None
) -> pd.Series[str]:
    """Return the site of each patient: as given, or TCGA's tissue source site."""
    if sites:
        site = pd.Series(patients).map(sites)
        what, remedy = "whose site the slide sheet does not name", "Fill the column of sites"
    else:
        site = pd.Series([tissue_source_site(patient) for patient in patients], dtype=object)
        what = "which is not a TCGA barcode, so its site is unknown"
        remedy = "Set `crossval: group_by` in the config to `patient`"
    unknown = site.isna() | (site == "")
    if unknown.any():
        raise HistotransferError(
            labels_path, f"names {patients[int(unknown.argmax())]}, {what}", remedy
        )
    return site.astype(str)


def fold_of_samples(
    splits: pd.DataFrame, repeat: int, samples: Sequence[str], splits_path: str | Path
) -> Ints:
    """Return the fold of each sample in a repeat of a table `SPLITS`."""
    drawn = splits[splits["repeat"] == repeat].set_index("sample")["fold"]
    fold = pd.Series(samples).map(drawn)
    if fold.isna().any():
        raise HistotransferError(
            splits_path,
            f"has no fold for sample {samples[int(fold.isna().argmax())]} in repeat {repeat}",
            "Delete the file and run the workflow again to draw the splits again",
        )
    return fold.to_numpy(dtype=np.int64)


def stratified_folds(counts: Ints, sizes: Ints, folds: int, rng: np.random.Generator) -> Ints:
    """Assign groups to folds so that samples, and each stratum's, are spread evenly.

    Groups of one size are assigned by iterative stratification, groups of several sizes by size.
    The time is linear in the strata.

    Parameters
    ----------
    counts : (groups, strata) int64
        How many of a group's samples each stratum has.
    sizes : (groups,) int64
        How many samples a group has.
    folds : int
    rng : numpy.random.Generator
        Draws the order of the groups and the ties.

    Returns
    -------
    (groups,) int64
        The fold of each group.
    """
    assign = _by_stratum if (sizes == sizes[0]).all() else _by_size
    return assign(counts, sizes, folds, rng)


def _by_stratum(counts: Ints, sizes: Ints, folds: int, rng: np.random.Generator) -> Ints:
    """Assign groups by iterative stratification (Sechidis, Tsoumakas, Vlahavas 2011).

    The stratum with the fewest unassigned samples goes first, because it is the hardest to spread;
    each of its groups goes to the fold that lacks this stratum most, among equals to the fold that
    lacks samples most, among equals at random. Groups of no stratum fill the folds up.
    """
    n_groups = len(counts)
    order = rng.permutation(n_groups)
    ties = rng.random((n_groups, folds)).tolist()
    left = counts.sum(axis=0)
    wanted = np.repeat(left[None, :] / folds, folds, axis=0)
    room = [sizes.sum() / folds] * folds
    assigned = np.full(n_groups, -1, dtype=np.int64)

    def assign(group: int, lacking: list[float]) -> None:
        tie = ties[group]
        fold = max(range(folds), key=lambda f: (lacking[f], room[f], tie[f]))
        assigned[group] = fold
        room[fold] -= int(sizes[group])
        wanted[fold] -= counts[group]
        np.subtract(left, counts[group], out=left)

    done = left.max(initial=0) + 1
    # Each round assigns a group at least, so there are no more rounds than groups.
    while (nearest := np.where(left > 0, left, done)).min(initial=done) < done:
        stratum = int(nearest.argmin())
        for group in order[(assigned[order] < 0) & (counts[order, stratum] > 0)]:
            assign(group, wanted[:, stratum].tolist())
    for group in order[assigned[order] < 0]:
        assign(group, room)
    return assigned


def _by_size(counts: Ints, sizes: Ints, folds: int, rng: np.random.Generator) -> Ints:
    """Assign large groups first, each to the fold that has least of what the group brings.

    That fold adds least to the sum, over the folds, of squared shares: of all samples, and, with
    `STRATA_WEIGHT` together, of each stratum's. A large group that came last would find no room.
    In strict order, though, the largest groups would be parted alike in every repeat, and repeats
    would add little: sizes count times a random factor, drawn once for each group.
    """
    n_groups, n_strata = counts.shape
    order = np.argsort(-sizes * rng.lognormal(0, SHUFFLED_BY, n_groups), kind="stable")
    ties = rng.random((n_groups, folds))
    shares = np.column_stack([sizes, counts]) / np.maximum([sizes.sum(), *counts.sum(axis=0)], 1)
    weighted = shares * [1.0, *[STRATA_WEIGHT / max(n_strata, 1)] * n_strata]
    there = np.zeros((folds, n_strata + 1))
    assigned = np.empty(n_groups, dtype=np.int64)
    for group in order:
        # Rounded, so that ties are told from differences.
        added = np.round((there * weighted[group]).sum(axis=1), 12)
        assigned[group] = np.lexsort((ties[group], added))[0]
        there[assigned[group]] += shares[group]
    return assigned
