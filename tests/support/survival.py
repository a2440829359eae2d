"""A published set of survival times."""

from __future__ import annotations

import numpy as np

_DRUG = {
    6: "eeec", 7: "e", 9: "c", 10: "ec", 11: "c", 13: "e", 16: "e", 17: "c", 19: "c", 20: "c",
    22: "e", 23: "e", 25: "c", 32: "cc", 34: "c", 35: "c",
}  # fmt: skip
_PLACEBO = [1, 1, 2, 2, 3, 4, 4, 5, 5, 8, 8, 8, 8, 11, 11, 12, 12, 15, 17, 22, 23]

REMISSION = {
    "coefficient": 1.572,
    "concordance": 0.690,
    "survival": {6: 0.857, 7: 0.807, 10: 0.753, 13: 0.690, 16: 0.627, 22: 0.538, 23: 0.448},
}
"""What textbooks print of `remission`: the log hazard ratio of placebo with Efron's ties, its
concordance, and the Kaplan–Meier estimate under the drug."""


def remission() -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return weeks of remission of leukaemia, whether it ended, and 1 for placebo, 0 for the drug.

    6-mercaptopurine against placebo: Freireich et al., Blood 1963;21:699.
    """
    drug = [(weeks, code == "e") for weeks, codes in _DRUG.items() for code in codes]
    both = np.array(drug + [(weeks, True) for weeks in _PLACEBO], dtype=float)
    return both[:, 0], both[:, 1], np.repeat([0.0, 1.0], [len(drug), len(_PLACEBO)])
