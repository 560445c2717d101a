"""Which partition is an event's home must never change, and must spread what real keys look like."""

from __future__ import annotations

import numpy as np
import polars as pl
import pytest

from streams.cluster.partitioning import homes, homes_of
from streams.cluster.stamps import MS_BITS, Stamper

#: Never to be changed: what is known of these keys lies in these partitions of running clusters.
FIXED = {
    "": (0, 0, 0, 0),
    "a": (1, 3, 11, 43),
    "410000": (1, 1, 9, 77),
    "4101": (0, 0, 8, 8),
    "甲厂": (0, 2, 10, 2),
    "ST-000001": (0, 0, 8, 84),
    "91410100MA0000001X": (0, 0, 0, 48),
    "豫A12345": (1, 1, 1, 41),
}


def test_the_homes_are_those_they_always_were():
    """Fixed values, over several numbers of partitions."""
    texts = list(FIXED)
    for at, partitions in enumerate((2, 4, 12, 100)):
        assert homes(pl.Series(texts), partitions).tolist() == [FIXED[text][at] for text in texts]


def test_a_missing_value_has_the_empty_texts_home():
    """Also where all are missing."""
    assert homes(pl.Series([None, "", None], dtype=pl.String), 12).tolist() == [FIXED[""][2]] * 3
    assert homes(pl.Series([], dtype=pl.String), 12).tolist() == []


@pytest.mark.parametrize("partitions", [2, 4, 7, 12, 64])
def test_alike_keys_spread(partitions):
    """Numbered stations and credit codes fill all partitions about evenly: none has half as much again as its share."""
    numbered = [f"ST-{i:06d}" for i in range(20_000)]
    codes = [f"9141{i % 18:02d}00MA{i:07d}X" for i in range(20_000)]
    for texts in (numbered, codes):
        counts = np.bincount(homes(pl.Series(texts), partitions), minlength=partitions)
        share = len(texts) / partitions
        assert counts.max() < 1.5 * share
        assert counts.min() > 0.5 * share


def test_by_prefecture_the_first_four_digits_decide():
    """Districts, towns and the prefecture itself have one home; a region that is no code has its own."""
    regions = pl.Series(["410100", "410102", "410102003000", "4101", None, "x"])
    frame = pl.DataFrame({"subject": ["a", "b", "c", "d", "e", "f"], "region": regions})
    by_prefecture = homes_of(frame, "prefecture", 12)
    assert len(set(by_prefecture[:4].tolist())) == 1
    assert by_prefecture.tolist() == homes(pl.Series(["4101"] * 4 + [None, "x"]), 12).tolist()
    assert homes_of(frame, "subject", 12).tolist() == homes(frame["subject"], 12).tolist()


def test_stamps_rise_and_never_repeat():
    """Also in one millisecond, beyond 2**20 in it, and where the clock is put back."""
    stamper = Stamper()
    taken = [
        stamper.take(5, 3),
        stamper.take(5, 1 << MS_BITS),
        stamper.take(6, 2),
        stamper.take(1, 4),
        stamper.take(9, 1),
    ]
    whole = np.concatenate(taken)
    assert (np.diff(whole) > 0).all()
    assert whole[0] == 5 << MS_BITS
    assert whole[-1] == 9 << MS_BITS
    assert stamper.last == whole[-1]
