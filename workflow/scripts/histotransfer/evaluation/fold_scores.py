"""The scores of repeated cross-validation, and the variance of their mean.

The folds of a repeat share training samples, and repeats share all samples, so the spread of the
scores understates how far their mean would move with other patients.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from warnings import catch_warnings, filterwarnings

import numpy as np
import numpy.typing as npt
import scipy

from .predictors.predictor import Float

PAIRED_REPEATS = 10
"""The first repeats, in which models are also fitted without two folds. More add little."""

FAR_FROM_CHANCE_P = 0.001
"""The one-sided p of a correlation above 0 below which its growth is estimated."""


@dataclass(frozen=True)
class FoldScores:
    """Scores of t targets in R repeats of k folds; NaN where one is undefined.

    Attributes
    ----------
    folds : (R, k, t) float64
        Score of each fold under the model that was trained without it.
    pairs : (P, k, k, t) float64
        Score of fold i (second axis) under the model that was trained without folds i and j (third
        axis), for the first P repeats; NaN where i is j.
    grouped : bool
        Whether a patient has many samples, such as patches.
    correlation : bool
        Whether the scores are correlations.
    growth : (t,) float64 or None
        Of a difference between correlations, how much these grow (`_growth`).
    """

    folds: Float
    pairs: Float
    grouped: bool = False
    correlation: bool = False
    growth: Float | None = None

    def __sub__(self, other: FoldScores) -> FoldScores:
        return replace(
            self,
            folds=self.folds - other.folds,
            pairs=self.pairs - other.pairs,
            growth=FoldScores.mean_of([self, other])._growth() if self.correlation else None,
        )

    def of_targets(self, places: npt.ArrayLike) -> FoldScores:
        """Return the scores of the targets in these places."""
        places = np.asarray(places)
        return replace(
            self,
            folds=self.folds[..., places],
            pairs=self.pairs[..., places],
            growth=None if self.growth is None else self.growth[places],
        )

    def where_defined(self, other: FoldScores) -> FoldScores:
        """Return the scores of the folds in which the other one has a score, too."""
        return replace(self, folds=np.where(np.isfinite(other.folds), self.folds, np.nan))

    @classmethod
    def mean_of(cls, several: list[FoldScores]) -> FoldScores:
        """Return the scores averaged over extractors."""
        return cls(
            np.mean([scores.folds for scores in several], axis=0),
            np.mean([scores.pairs for scores in several], axis=0),
            several[0].grouped,
            several[0].correlation,
        )

    @property
    def n(self) -> Float:
        """The (t,) number of folds with a score."""
        return np.asarray(np.isfinite(self.folds).sum(axis=(0, 1)), dtype=np.float64)

    @property
    def mean(self) -> Float:
        """The (t,) mean over all folds; NaN for none."""
        return _mean(self.folds, (0, 1))

    @property
    def repeat_means(self) -> Float:
        """The (R, t) mean of each repeat's folds."""
        return _mean(self.folds, 1)

    @property
    def constant(self) -> np.ndarray:
        """Tell of each target whether it has the same score in every fold, or in fewer than two."""
        known = np.isfinite(self.folds)
        highest = np.where(known, self.folds, -np.inf).max(axis=(0, 1))
        lowest = np.where(known, self.folds, np.inf).min(axis=(0, 1))
        # Rounding alone makes equal predictions differ by this much.
        return np.asarray((self.n < 2) | (highest - lowest <= 1e-12))

    @property
    def df(self) -> Float:
        """The (t,) degrees of freedom of `variance`.

        A repeat gives k² scores: k of models without one fold, k (k - 1) of models without two.
        Simulated variances spread as if they had about that many, whatever the number of repeats.
        """
        k = self.folds.shape[1]
        return np.asarray(np.minimum(k * k, self.n) - 1.0)

    def variance(self) -> Float:
        """Estimate the (t,) variance of the mean, over all that could be sampled and split.

        With w the variance of a repeat's k fold scores, s² that of the R repeats' means (both given
        the samples) and c the covariance of two folds of a repeat over samples, the variance of the
        mean is exactly ``w/k + c - (1 - 1/R) s²``. Only c cannot be seen in a single data set
        (Bengio & Grandvalet 2004); the usual correction sets it by assuming that two scores
        correlate by 1/k (Nadeau & Bengio 2003). Here it is estimated: two folds covary because each
        one trains the model that the other one tests, and because they are tested by models that
        share the other k - 2 folds. So models are fitted without each pair of folds, too; how they
        change with the fold left out, beside the one that is tested, has the structure of a
        round-robin (Warner, Kenny & Stoto 1979; Kenny & La Voie 1984): a part due to the fold left
        out, whoever is tested (B), and a reciprocal part of a pair (K). Then ``c = K + (k - 2) B``.

        A patient weighs less in a training set of k - 1 folds than in one of k - 2, by the ratio q
        of these. If the scores are correlations, with `growth` g, K falls by q² g and B by q² / g.
        With signal alone g is 1, and c as a whole falls by q². Without signal g is 1/q, so K falls
        by q and B, which is then due to pairs of a training and a test sample, by q³. All other
        scores have this g, too: so they were simulated.

        B can be negative: with strong signals, what two folds teach each other's models they
        unteach those of all other folds. Where a patient has many samples, a negative B makes c too
        small by a third, so it counts as zero.

        The estimate is not let below half of that of Nadeau & Bengio, since a difference of
        variances can come out near zero. What it promises is shown in docs/statistics.md. Three
        folds or fewer do not tell B from K, so the schema of the config asks for four.

        References
        ----------
        Nadeau & Bengio, Machine Learning 2003;52:239. Bengio & Grandvalet, JMLR 2004;5:1089.
        Warner, Kenny & Stoto, J Pers Soc Psychol 1979;37:1742 (round-robin variances).
        """
        repeats, k, _ = self.folds.shape
        with np.errstate(invalid="ignore", divide="ignore"):
            within = _mean(_variance(self.folds, 1), 0)
            between = _variance(self.repeat_means, 0) if repeats > 1 else 0.0
            shared, reciprocal = self._shared_and_reciprocal()
            q = (k - 2) / (k - 1)
            growth = 1 / q if self.growth is None else self.growth
            if self.grouped:
                shared = np.maximum(shared, 0.0)
            covariance = q**2 * (growth * reciprocal + (k - 2) * shared / growth)
            estimate = within / k + covariance - (1 - 1 / repeats) * between
            return np.asarray(np.maximum(estimate, self.nadeau_bengio() / 2))

    def nadeau_bengio(self) -> Float:
        """Return the (t,) variance of the mean if two scores correlate by 1/k.

        References
        ----------
        Nadeau & Bengio, Machine Learning 2003;52:239. Bouckaert & Frank, PAKDD 2004 (r × k).
        """
        k = self.folds.shape[1]
        with np.errstate(invalid="ignore", divide="ignore"):
            spread = _variance(self.folds.reshape(-1, self.folds.shape[2]), 0)
            return np.asarray((1 / self.n + 1 / (k - 1)) * spread)

    def _growth(self) -> Float:
        """Return how much (t,) squared correlations grow from training on k - 2 to k - 1 folds.

        A correlation does not change with the length of the weights, and is as the share of that
        length that is signal. Signal grows in proportion to the training samples, so ``(score /
        samples)²`` goes as one over the squared length. So does K: what one fold adds to the score
        of another counts by one over the length, and K is a product of two such. Without signal the
        squared length grows as the samples do, and growth is 1/q. That is the most, and what counts
        where a score is so near to chance that its growth is mostly noise.
        """
        repeats, k = self.pairs.shape[:2]
        most = (k - 1) / (k - 2)
        more, fewer = _mean(self.folds[:repeats], (0, 1)), _mean(self.pairs, (0, 1, 2))
        with np.errstate(invalid="ignore"):
            far = scipy.stats.t.isf(FAR_FROM_CHANCE_P, self.df) * np.sqrt(self.variance())
        is_far = (self.mean > far) & (more > 0) & (fewer > 0)
        ratio = np.divide(more, fewer, out=np.full_like(more, np.inf), where=is_far)
        return np.asarray(np.clip(ratio**2, 1.0, most))

    def _shared_and_reciprocal(self) -> tuple[Float, Float]:
        """Estimate the (t,) components B and K of `variance` by the method of moments.

        Let u (i, j) be a pair's score less the mean of its row i, which holds all that belongs to
        the test fold alone. With m = k - 1 entries in a row, the moments are
        ``E u(i,j) u(i',j) = (1 - 2/m + (m-1)/m²) B + K/m²`` over different i, i', and
        ``E u(i,j) u(j,i) = (m-1)/m² B + (1 - 1/m)² K``.
        """
        u = self.pairs - _mean(self.pairs, 2)[:, :, None]
        known = np.isfinite(u)
        u = np.where(known, u, 0.0)
        counts = known.sum(axis=1)
        columns = (u.sum(axis=1) ** 2 - (u**2).sum(axis=1)).sum(axis=(0, 1))
        same_column = columns / (counts * (counts - 1)).sum(axis=(0, 1))
        both = known & known.swapaxes(1, 2)
        across = (u * u.swapaxes(1, 2)).sum(axis=(0, 1, 2)) / both.sum(axis=(0, 1, 2))
        m = self.pairs.shape[1] - 1
        moments = np.array(
            [[1 - 2 / m + (m - 1) / m**2, 1 / m**2], [(m - 1) / m**2, (1 - 1 / m) ** 2]]
        )
        shared, reciprocal = np.linalg.solve(moments, np.array([same_column, across]))
        return shared, reciprocal


def _mean(values: Float, axis: int | tuple[int, ...]) -> Float:
    with catch_warnings():
        filterwarnings("ignore", "Mean of empty slice")
        return np.asarray(np.nanmean(values, axis=axis))


def _variance(values: Float, axis: int) -> Float:
    with catch_warnings():
        filterwarnings("ignore", "Degrees of freedom <= 0")
        return np.asarray(np.nanvar(values, axis=axis, ddof=1))
