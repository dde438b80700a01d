"""Medians, means, bootstrap intervals and paired tests of a handful of seeds."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

RESAMPLES = 10_000
BOOTSTRAP_SEED = 20171109
LEVEL = 0.95
DIGITS = 6  # significant ones that are kept: what is recomputed elsewhere must come out the same
MAX_EXACT = 16  # so many pairs have their signs flipped in all ways; of more pairs, FLIPS ways are drawn
FLIPS = 100_000

Array = NDArray[np.float64]


def significant(x: float) -> float:
    """Round to DIGITS significant digits."""
    return float(f"{x:.{DIGITS}g}")


def interval(values: Sequence[float], statistic: Callable[..., Any] = np.mean) -> list[float]:
    """Give the percentile bootstrap interval of a statistic at LEVEL. With few seeds it is rather too narrow."""
    sample: Array = np.asarray(values, dtype=np.float64)
    rows = np.random.default_rng(BOOTSTRAP_SEED).integers(0, len(sample), (RESAMPLES, len(sample)))
    drawn = statistic(sample[rows], axis=1)
    tail = 50 * (1 - LEVEL)
    return [significant(x) for x in np.percentile(drawn, [tail, 100 - tail])]


def describe(values: Sequence[float]) -> dict[str, Any]:
    """Describe a sample: n, mean, median, their intervals, and the values."""
    return {
        "n": len(values),
        "mean": significant(float(np.mean(values))),
        "mean_interval": interval(values),
        "median": significant(float(np.median(values))),
        "median_interval": interval(values, np.median),
        "values": [significant(v) for v in values],
    }


def flip_test(differences: Sequence[float]) -> float:
    """Give the two-sided p of a mean difference, if each sign had been as likely the other way (Fisher 1935).

    It is exact up to MAX_EXACT pairs.
    """
    d: Array = np.asarray(differences, dtype=np.float64)
    seen = abs(d.sum()) * (1 - 1e-12)
    if len(d) > MAX_EXACT:  # too many ways: a fixed sample of them, the observed one counted in
        flips = np.random.default_rng(BOOTSTRAP_SEED).choice((-1.0, 1.0), (FLIPS, len(d)))
        return float((1 + np.sum(abs(flips @ d) >= seen)) / (1 + FLIPS))
    signs = itertools.product((-1.0, 1.0), repeat=len(d))
    return float(np.mean([abs(np.dot(s, d)) >= seen for s in signs]))


def paired(a: Sequence[float], b: Sequence[float], sign: int) -> dict[str, Any]:
    """Compare a with b seed by seed; sign is 1 where more is better, else -1. wins are a's."""
    differences = [x - y for x, y in zip(a, b, strict=True)]
    return {
        **describe(differences),
        "wins": sum(sign * d > 0 for d in differences),
        "ties": sum(d == 0 for d in differences),
        "p": significant(flip_test(differences)),
    }
