from __future__ import annotations

import numpy as np

from harness import stats


def test_an_interval_covers_as_often_as_it_says() -> None:
    rng = np.random.default_rng(1)
    inside = sum(low <= 3 <= high for low, high in (stats.interval(list(rng.normal(3, 1, 40))) for _ in range(200)))
    assert 178 <= inside <= 199  # 95 % of 200 is 190, and its standard deviation 3


def test_flip_test_of_few() -> None:
    assert stats.flip_test([1, 2, 3, 4, 5]) == 2 / 32
    assert stats.flip_test([1, -1]) == 1
    assert stats.flip_test([0.0, 0.0]) == 1
    assert stats.flip_test([1.0] * 17) < 1e-4


def test_paired_knows_which_way_is_better() -> None:
    assert stats.paired([1, 2, 3], [2, 2, 2], 1)["wins"] == 1
    assert stats.paired([1, 2, 3], [2, 2, 2], -1)["wins"] == 1
    assert stats.paired([1, 2, 3], [2, 2, 2], 1)["ties"] == 1
    assert stats.paired([1, 1], [2, 2], -1)["wins"] == 2
