"""Quantiles and distinct counts: exact while there are few values, within the stated error beyond."""

from __future__ import annotations

import numpy as np
import pytest

from rules.arrays import Renumbering
from rules.ordered import OrderedWindows
from rules.samples import EXACT, RELATIVE_ERROR, Rows, distinct, joined, quantile

SHARES = (0.0, 0.1, 0.5, 0.9, 0.999, 1.0)


def _rows(code: np.ndarray, value: np.ndarray, *, hashed: bool = False) -> Rows:
    return joined([Rows.of(code, value)], distinct=hashed)


@pytest.mark.parametrize("share", SHARES)
def test_few_values_give_the_exact_quantile(share):
    """As numpy's linear interpolation has it, for each key; nothing for a key without values."""
    rng = np.random.default_rng(1)
    code = rng.integers(0, 20, 3000)
    value = np.round(rng.normal(50, 20, 3000), 1)
    found = quantile(_rows(code, value), np.arange(21), share)
    wanted = [np.quantile(value[code == k], share) for k in range(20)]
    assert np.allclose(found[:20], wanted, rtol=1e-12)
    assert np.isnan(found[20])


@pytest.mark.parametrize("share", SHARES)
def test_many_values_give_a_quantile_within_the_error(share):
    """Relative to the value, whatever the scale and the sign."""
    rng = np.random.default_rng(2)
    for value in (rng.lognormal(0, 3, 50_000), -rng.lognormal(0, 3, 50_000), rng.normal(0, 1e-6, 50_000)):
        found = quantile(_rows(np.zeros(50_000, np.int64), value), np.array([0]), share)[0]
        ordered = np.sort(value)
        place = share * (len(value) - 1)
        low, high = ordered[int(np.floor(place))], ordered[int(np.ceil(place))]
        assert low - 1.01 * RELATIVE_ERROR * abs(low) <= found <= high + 1.01 * RELATIVE_ERROR * abs(high)


def test_a_sketch_does_not_depend_on_how_it_came_about():
    """Order, parts and repeated tidying change nothing."""
    rng = np.random.default_rng(3)
    value = rng.lognormal(2, 1, 20_000)
    code = np.zeros(len(value), np.int64)
    once = _rows(code, value)
    mixed = rng.permutation(value)
    parts = [Rows.of(code[lo : lo + 3000], mixed[lo : lo + 3000]) for lo in range(0, len(value), 3000)]
    stepwise = parts[0]
    for part in parts[1:]:
        stepwise = joined([stepwise, part], distinct=False)
    assert np.array_equal(once.value, stepwise.value)
    assert np.array_equal(once.weight, stepwise.weight)
    assert len(once.value) < 4000


def test_distinct_counts_are_exact_up_to_the_bound_and_near_beyond():
    """4,096 hashes are counted; of more the least say how many there are."""
    rng = np.random.default_rng(4)
    for many in (0, 1, 100, EXACT, EXACT + 1, 50_000, 1_000_000):
        hashes = rng.integers(1, 2**63, many, dtype=np.uint64) * np.uint64(2) | np.uint64(1)
        rows = _rows(np.zeros(2 * many, np.int64), np.concatenate((hashes, hashes)), hashed=True)
        found = int(distinct(rows, np.array([0]))[0])
        assert len(rows.value) <= EXACT + 1
        assert found == many if many <= EXACT else abs(found - many) < 0.06 * many


def test_sliding_windows_agree_with_sorting_each_anew():
    """Values come and go in any order of size; keys are forgotten and renumbered in between."""
    rng = np.random.default_rng(5)
    windows = OrderedWindows([0.25, 0.5], hashed=False)
    names = np.arange(12)
    seen: list[tuple[int, int, float]] = []
    clock = 0
    for round_ in range(30):
        n = int(rng.integers(1, 60))
        code = rng.integers(0, len(names), n)
        time = clock + np.sort(rng.integers(0, 40, n))
        value = np.round(rng.normal(0, 5, n))
        value[rng.random(n) < 0.1] = np.nan
        clock = int(time[-1])
        differing, quantiles = windows.add(50, code, time, value, len(names))
        for i in range(n):
            seen.append((int(names[code[i]]), int(time[i]), float(value[i])))
            inside = [v for k, t, v in seen if k == names[code[i]] and t > time[i] - 50 and not np.isnan(v)]
            assert differing[i] == len(set(inside)), round_
            wanted = np.quantile(inside, [0.25, 0.5]) if inside else [np.nan, np.nan]
            assert np.allclose(quantiles[i], wanted, equal_nan=True)
        if round_ % 7 == 6:
            keep = np.zeros(len(names), np.bool_)
            keep[windows.busy()] = True
            windows.renumber(Renumbering(keep))
            names = names[keep]
        state = windows.state()
        windows = OrderedWindows([0.25, 0.5], hashed=False)
        windows.load(state)
