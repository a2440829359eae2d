"""Several runs of fine-tuning, which differ in their seed alone, taken together."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import pandas as pd
import scipy

from .decisions import FAMILY
from .statistics import LEVEL, NOT_ESTIMABLE, OK, UNTESTED, benjamini_hochberg

Runs = Mapping[str, Sequence[str]]
"""Extractors that are runs of one recipe, by the name that stands for all of them."""


def combine_runs(comparison: pd.DataFrame, runs: Runs) -> pd.DataFrame:
    """Replace the rows of several runs by one per pair and target, about the mean over the runs.

    Parameters
    ----------
    comparison : pandas.DataFrame
        The table `comparison`.
    runs : mapping
        An extractor that it does not name stands for itself.

    Returns
    -------
    pandas.DataFrame
        The same columns; a combined row has the place of its first run. The means and `delta` are
        means over the runs; `n` and `n_folds` the smallest. The squared standard error is that of
        one run plus the variance of `delta` between the runs over their number. The error of one
        run is not divided, because the runs share their patients, so averaging the runs leaves it
        as it is. Half the interval is the root of the sum of the two parts' squared halves
        (Zou & Donner, Stat Med 2008;27:1693), which holds also with two runs, where Satterthwaite's
        does not; `df` is what gives this interval, and `p_corrected` and `q_bh` follow. A target is
        tested if it is in every run. What is not defined of several runs is missing, and two runs
        of one recipe are not compared.
    """
    table, several = _split(comparison, runs)
    if several.empty:
        return comparison
    status = several["status"]
    several = several.assign(
        square=several["se"] ** 2, ok=status.eq(OK), untested=status.eq(UNTESTED)
    )
    groups = several.groupby([*FAMILY, "target"], sort=False)
    found = groups.agg(
        place=("place", "min"),
        metric=("metric", "first"),
        n=("n", "min"),
        n_folds=("n_folds", "min"),
        baseline_mean=("baseline_mean", "mean"),
        extractor_mean=("extractor_mean", "mean"),
        delta=("delta", "mean"),
        square=("square", "mean"),
        df=("df", "min"),
        between=("delta", "var"),
        size=("delta", "size"),
        ok=("ok", "all"),
        untested=("untested", "any"),
    ).reset_index()
    ok, between = found["ok"], found["between"] / found["size"]
    variance = found["square"] + between
    own, others = (
        scipy.stats.t.isf((1 - LEVEL) / 2, df) for df in (found["df"], found["size"] - 1)
    )
    half = np.sqrt(own**2 * found["square"] + others**2 * between).where(ok)
    se = np.sqrt(variance).where(ok)
    df = scipy.special.stdtridf((1 + LEVEL) / 2, half / se)
    found = found.assign(
        se=se,
        df=df,
        ci_low=found["delta"] - half,
        ci_high=found["delta"] + half,
        p_corrected=2 * scipy.stats.t.sf(found["delta"].abs() / se, df),
        status=np.select([ok, found["untested"]], [OK, UNTESTED], NOT_ESTIMABLE),
    )
    q = found.groupby(FAMILY, sort=False)["p_corrected"].transform(benjamini_hochberg)
    return _joined(table, found.assign(q_bh=q), comparison)


def share_of_seeds(comparison: pd.DataFrame, runs: Runs) -> pd.DataFrame:
    """Return which share of a combined squared standard error is between the runs (`combine_runs`).

    A row per pair and target of several runs: the columns of `FAMILY`, target and `seed_share`,
    which is missing where a run is not estimable.
    """
    _, several = _split(comparison, runs)
    several = several.assign(square=several["se"] ** 2, ok=several["status"].eq(OK))
    groups = several.groupby([*FAMILY, "target"], sort=False)
    between = groups["delta"].var() / groups["delta"].size()
    share = (between / (groups["square"].mean() + between)).where(groups["ok"].all())
    return share.rename("seed_share").reset_index()


def combine_shares(improved: pd.DataFrame, runs: Runs) -> pd.DataFrame:
    """Replace the rows of several runs in the table `improved` by one, about the mean share.

    Shares and bounds are means over the runs, and the bounds are widened, up to 0 and 1, by what
    the runs differ by in `share_truly`; `n_improved` is a rounded mean.
    """
    table, several = _split(improved, runs)
    if several.empty:
        return improved
    groups = several.groupby(FAMILY, sort=False)
    of_runs = groups.size()
    t = scipy.stats.t.isf((1 - LEVEL) / 2, of_runs - 1)
    half = t * groups["share_truly"].std() / np.sqrt(of_runs)
    found = groups.first().assign(
        place=groups["place"].min(),
        p_sign=np.nan,
        n_improved=groups["n_improved"].mean().round(),
        fraction=groups["fraction"].mean(),
        share_truly=groups["share_truly"].mean(),
        ci_low=(groups["ci_low"].mean() - half).clip(lower=0),
        ci_high=(groups["ci_high"].mean() + half).clip(upper=1),
    )
    return _joined(table, found.reset_index(), improved)


def names_of_runs(runs: Runs) -> dict[str, str]:
    """Return, of each run of several, the name that stands for all of them."""
    return {run: name for name, members in runs.items() if len(members) > 1 for run in members}


def _split(rows: pd.DataFrame, runs: Runs) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Return the rows that stand for themselves, and those of several runs under their name."""
    name = names_of_runs(runs)
    table = rows.reset_index(drop=True)
    of_several = table[["baseline", "extractor"]].isin(list(name)).any(axis=1)
    table = table.assign(
        place=table.index,
        baseline=table["baseline"].replace(name),
        extractor=table["extractor"].replace(name),
    )
    return table[~of_several], table[of_several & (table["baseline"] != table["extractor"])]


def _joined(single: pd.DataFrame, combined: pd.DataFrame, like: pd.DataFrame) -> pd.DataFrame:
    """Return both in the order of their places, with the columns and types of a table."""
    columns = list(like.columns)
    tables = [part.reindex(columns=["place", *columns]) for part in (single, combined)]
    table = pd.concat([part for part in tables if len(part)]).sort_values("place", kind="stable")
    return table[columns].astype(like.dtypes.to_dict()).reset_index(drop=True)
