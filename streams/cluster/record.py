"""A log entry as a Kafka record, and back.

The payload of an entry is the value as it is; what else an entry has stands in the headers. A record without our headers
is a foreign one, and is told apart before anything reads its value.
"""

from __future__ import annotations

from collections.abc import Sequence

import msgspec
import numpy as np

from rules.arrays import Ints
from streams.cluster.errors import ForeignRecord, NewerRecord
from streams.log.entry import Entry, Kind, compress, inflate

#: Raised when a reader of the version before could misread a record.
VERSION = 1
#: Positions of a partition: the record's offset, then the place within it.
PLACE_BITS = 20
MAX_PLACES = 1 << PLACE_BITS

Headers = list[tuple[str, bytes]]


class Stamped(msgspec.Struct, frozen=True):
    """An entry that is to be written to a partition.

    ``stamps``: of events, one each, rising: the order in which the door judged them, across all partitions. Of anything
    else one. A stamp is the receipt in epoch ms times 2**20, plus a number that tells those of one millisecond apart.
    """

    kind: Kind
    count: int
    at_ms: int
    payload: bytes
    stamps: Ints
    #: the engine that wrote it, or that it is for; and, of a transition, its number among those of its engine, from 1
    origin: str = ""
    ordinal: int = 0


class PartitionEntry(Entry, frozen=True):
    """An entry as read from a partition: ``pos`` is that of its last place there; the others as in :class:`Stamped`."""

    stamps: Ints = np.zeros(0, np.int64)
    origin: str = ""
    ordinal: int = 0


def first_position(offset: int) -> int:
    """The position of a record's first place."""
    return offset << PLACE_BITS


def offset_of(position: int) -> int:
    """The record that a position lies in."""
    return position >> PLACE_BITS


def headers_of(entry: Stamped) -> Headers:
    """What a record says of its entry. Stamps that follow one on another need no list."""
    assert 1 <= entry.count <= MAX_PLACES, entry.count
    first = int(entry.stamps[0])
    headers: Headers = [
        ("v", b"%d" % VERSION),
        ("kind", entry.kind.encode()),
        ("count", b"%d" % entry.count),
        ("at", b"%d" % entry.at_ms),
        ("stamp", b"%d" % first),
    ]
    if entry.origin:
        headers.append(("origin", entry.origin.encode()))
    if entry.ordinal:
        headers.append(("ordinal", b"%d" % entry.ordinal))
    if len(entry.stamps) > 1:
        assert len(entry.stamps) == entry.count
        gaps = np.diff(entry.stamps)
        if (gaps != 1).any():
            headers.append(("gaps", compress(gaps.astype("<u8").tobytes())))
    return headers


def entry_of(offset: int, headers: Sequence[tuple[str, bytes]], value: bytes | None) -> PartitionEntry:
    """The entry of a record. ForeignRecord, NewerRecord."""
    found = dict(headers)
    try:
        version = int(found["v"])
        if version > VERSION:
            raise NewerRecord(
                f"record {offset} was written by a newer version of Fengsui (format {version}, this one reads up to {VERSION}): "
                "install that version"
            )
        kind, count, at_ms, stamp = found["kind"].decode(), int(found["count"]), int(found["at"]), int(found["stamp"])
        if not 1 <= count <= MAX_PLACES:
            raise ValueError(f"a record of {count}")
        stamps = _stamps(stamp, count if kind in {"events", "dead"} else 1, found.get("gaps"))
        origin, ordinal = found.get("origin", b"").decode(), int(found.get("ordinal", b"0"))
    except (KeyError, ValueError, UnicodeDecodeError) as error:
        raise ForeignRecord(f"record {offset} is none of Fengsui's ({error})") from None
    return PartitionEntry(first_position(offset) + count - 1, count, kind, at_ms, value or b"", stamps, origin, ordinal)


def _stamps(first: int, count: int, gaps: bytes | None) -> Ints:
    if gaps is None:
        return np.arange(first, first + count, dtype=np.int64)
    steps = np.frombuffer(inflate(gaps), "<u8").astype(np.int64)
    if len(steps) != count - 1:
        raise ValueError(f"{len(steps)} gaps between {count}")
    return np.concatenate(([first], first + np.cumsum(steps)))
