"""Which partition is an event's home: a hash of its subject, or of the prefecture that its region lies in.

The function must never change: what is known of a key lies in its partition.
"""

from __future__ import annotations

from zlib import crc32

import numpy as np
import polars as pl

from rules.arrays import Ints
from streams.cluster.address import PartitionBy

#: The first four digits of a GB/T 2260 code are its prefecture's.
PREFECTURE_DIGITS = 4
#: 2**64 over the golden ratio: spreads neighbouring checksums (Knuth, TAOCP 3, 6.4).
_SPREAD = np.uint64(0x9E3779B97F4A7C15)
_HALF = np.uint64(32)


def homes(values: pl.Series, partitions: int) -> Ints:
    """The partition of each text; a null's is that of the empty text.

    CRC-32 of the UTF-8 bytes, times 2**64 / golden ratio, of that the upper half modulo the number of partitions.

    >>> homes(pl.Series(["甲厂", None, ""]), 12).tolist()
    [10, 0, 0]
    """
    assert partitions >= 1
    texts = values.fill_null("").to_list()
    sums = np.fromiter((crc32(text.encode()) for text in texts), np.uint64, len(texts))
    return ((sums * _SPREAD >> _HALF) % np.uint64(partitions)).astype(np.int64)


def homes_of(frame: pl.DataFrame, partition_by: PartitionBy, partitions: int) -> Ints:
    """The partition of each event of a frame with the columns of the envelope."""
    if partition_by == "subject":
        return homes(frame["subject"], partitions)
    return homes(frame["region"].str.slice(0, PREFECTURE_DIGITS), partitions)
