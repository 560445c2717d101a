"""What a log holds: entries, each covering one position (control records, transitions) or many (events, dead letters)."""

from __future__ import annotations

import threading
from collections.abc import Iterable
from typing import Any, Literal

import msgspec
import zstandard

from events.event import Rejected
from events.record import Act, Activation, Tick
from events.transition import Transition
from events.transition import decode as decode_transition
from events.transition import encode as encode_transition

Kind = Literal["events", "tick", "rules", "act", "transition", "dead", "passed", "frontier", "refused"]

#: Level 1: the gateway compresses on the way to a 202.
_ZSTD_LEVEL = 1
#: No payload inflates to more than this: a body's worth of lines, and dead letters are base64 inside JSON.
_MAX_INFLATED_BYTES = 256_000_000

# zstandard's objects are not safe to share between threads.
_local = threading.local()


class NewEntry(msgspec.Struct, frozen=True):
    """An entry to append. ``count``: how many positions it takes, at least one. ``at_ms``: its receipt, epoch ms.

    ``payload`` by kind: ``events`` and ``dead``: zstd of NDJSON, ``count`` lines each ended by a newline; ``tick``: empty;
    ``rules``: zstd of a bundle's JSON; ``act``: JSON; ``transition``: one transition's JSON. What only engines of a cluster
    say to one another: ``passed``, ``frontier``, ``refused`` (:mod:`streams.cluster.passed`).
    """

    kind: Kind
    count: int
    at_ms: int
    payload: bytes


class Entry(msgspec.Struct, frozen=True):
    """An entry as read. It covers the positions ``pos - count + 1`` to ``pos``."""

    pos: int
    count: int
    kind: str
    at_ms: int
    payload: bytes

    @property
    def first(self) -> int:
        return self.pos - self.count + 1


class DeadLetter(msgspec.Struct, frozen=True):
    """A refused line with its bytes, its reason and its place in the dead-letter log."""

    pos: int
    at_ms: int
    reason: str
    detail: str
    feed: str
    source: str
    raw: bytes


class _Act(msgspec.Struct, omit_defaults=True):
    id: str
    alert: str
    verb: Literal["ack", "assign", "note", "resolve", "reopen"]
    by: str
    note: str | None = None
    to: str | None = None


class _Dead(msgspec.Struct):
    reason: str
    detail: str
    feed: str
    source: str
    raw: bytes


_act_decoder = msgspec.json.Decoder(_Act)
_dead_decoder = msgspec.json.Decoder(_Dead)


def compress(data: bytes) -> bytes:
    """zstd, quick."""
    if not hasattr(_local, "compressor"):
        _local.compressor = zstandard.ZstdCompressor(level=_ZSTD_LEVEL)
    return bytes(_local.compressor.compress(data))


def inflate(payload: bytes) -> bytes:
    """The reverse of :func:`compress`."""
    if not hasattr(_local, "decompressor"):
        _local.decompressor = zstandard.ZstdDecompressor()
    return bytes(_local.decompressor.decompress(payload, max_output_size=_MAX_INFLATED_BYTES))


# --- making entries


def events_entry(lines: bytes, *, count: int, at_ms: int) -> NewEntry:
    """``lines``: ``count`` accepted events, one a line, each ended by a newline (the last one's may be missing)."""
    if not lines.endswith(b"\n"):
        lines += b"\n"
    return NewEntry("events", count, at_ms, compress(lines))


def tick_entry(at_ms: int) -> NewEntry:
    return NewEntry("tick", 1, at_ms, b"")


def rules_entry(bundle: object, *, at_ms: int) -> NewEntry:
    """``bundle``: what a rule set was loaded from, as an Activation holds it."""
    return NewEntry("rules", 1, at_ms, compress(msgspec.json.encode(bundle)))


def act_entry(act: Act) -> NewEntry:
    """``act.pos`` is not written: the log gives it."""
    body = _Act(act.id, act.alert, act.verb, act.by, act.note, act.to)
    return NewEntry("act", 1, act.at_ms, msgspec.json.encode(body))


def transition_entry(transition: Transition, *, at_ms: int) -> NewEntry:
    """``transition.seq`` must be the position that the entry will get."""
    return NewEntry("transition", 1, at_ms, encode_transition(transition))


def dead_entry(rejected: Iterable[Rejected], *, at_ms: int) -> NewEntry | None:
    """One entry for refused lines; None for none."""
    lines = [msgspec.json.encode(_Dead(r.reason, r.detail, r.feed, r.source, r.raw)) for r in rejected]
    if not lines:
        return None
    return NewEntry("dead", len(lines), at_ms, compress(b"\n".join(lines) + b"\n"))


# --- reading entries


def event_lines(entry: Entry) -> bytes:
    """The NDJSON of an ``events`` entry: ``entry.count`` lines, each ended by a newline, for ``entry.first`` ... ``entry.pos``."""
    assert entry.kind == "events", entry.kind
    return inflate(entry.payload)


def tick(entry: Entry) -> Tick:
    return Tick(pos=entry.pos, at_ms=entry.at_ms)


def activation(entry: Entry) -> Activation:
    bundle: dict[str, Any] = msgspec.json.decode(inflate(entry.payload))
    return Activation(pos=entry.pos, at_ms=entry.at_ms, bundle=bundle)


def act(entry: Entry) -> Act:
    body = _act_decoder.decode(entry.payload)
    return Act(entry.pos, entry.at_ms, body.id, body.alert, body.verb, body.by, body.note, body.to)


def transition(entry: Entry) -> Transition:
    """The transition of an entry; its ``seq`` is the entry's position."""
    assert entry.kind == "transition", entry.kind
    found = decode_transition(entry.payload)
    # Kafka gives the position only after it was written.
    return found if found.seq == entry.pos else msgspec.structs.replace(found, seq=entry.pos)


def dead_letters(entry: Entry) -> list[DeadLetter]:
    """The refused lines of a ``dead`` entry."""
    assert entry.kind == "dead", entry.kind
    letters = []
    for at, line in enumerate(inflate(entry.payload).splitlines()):
        body = _dead_decoder.decode(line)
        letters.append(
            DeadLetter(entry.first + at, entry.at_ms, body.reason, body.detail, body.feed, body.source, body.raw)
        )
    return letters
