"""What engines of a cluster say to one another."""

from __future__ import annotations

from dataclasses import dataclass

import msgspec
import numpy as np
from numpy.typing import NDArray

from rules.arrays import Bools, Ints
from streams.log.entry import compress, inflate


class _Passed(msgspec.Struct, array_like=True):
    partition: int
    group: str | None
    pos: bytes
    stamps: bytes
    late: bytes
    lines: bytes


class Progress(msgspec.Struct, frozen=True, array_like=True):
    """How far an engine has come: all that it has to pass on of what was stamped earlier is there.

    ``clock_ms`` and ``marks``: its clock and its watermarks, that of the alert feed too, at that point. ``feeds``: of each feed how many
    events were accepted, the newest one's time and the newest receipt, for people.
    """

    stamp: int
    clock_ms: int
    marks: dict[str, int]
    feeds: dict[str, tuple[int, int, int]] = {}


class Refusal(msgspec.Struct, frozen=True, array_like=True):
    """An engine's no to a person's act. ``unknown``: it has no such alert; perhaps another one has."""

    act: str
    reason: str
    unknown: bool = False


@dataclass(frozen=True, eq=False)
class Passed:
    """Events that the engine of a partition of the event log passes on to a group of rules, in the order of that log.

    ``pos``: their positions there; ``stamps``: never falling; ``late``: which of them were; ``lines``: as they came.
    """

    partition: int
    group: str | None
    pos: Ints
    stamps: Ints
    late: Bools
    lines: list[bytes]

    def __len__(self) -> int:
        return len(self.pos)

    def rows(self, first: int, end: int) -> Passed:
        """Some of them."""
        return Passed(
            self.partition,
            self.group,
            self.pos[first:end],
            self.stamps[first:end],
            self.late[first:end],
            self.lines[first:end],
        )


_encode = msgspec.msgpack.Encoder().encode
_passed = msgspec.msgpack.Decoder(_Passed)
_progress = msgspec.msgpack.Decoder(Progress)
_refusal = msgspec.msgpack.Decoder(Refusal)


def encode_passed(one: Passed) -> bytes:
    late = np.packbits(one.late).tobytes() if one.late.any() else b""
    body = _Passed(one.partition, one.group, _bytes(one.pos), _bytes(one.stamps), late, b"\n".join(one.lines))
    return compress(_encode(body))


def decode_passed(payload: bytes) -> Passed:
    body = _passed.decode(inflate(payload))
    pos, stamps = _ints(body.pos), _ints(body.stamps)
    late = np.zeros(len(pos), np.bool_)
    if body.late:
        late = np.unpackbits(np.frombuffer(body.late, np.uint8), count=len(pos)).astype(np.bool_)
    lines = body.lines.split(b"\n")
    assert len(lines) == len(pos) == len(stamps), (len(lines), len(pos), len(stamps))
    return Passed(body.partition, body.group, pos, stamps, late, lines)


def encode_progress(one: Progress) -> bytes:
    return _encode(one)


def decode_progress(payload: bytes) -> Progress:
    return _progress.decode(payload)


def encode_refusal(one: Refusal) -> bytes:
    return _encode(one)


def decode_refusal(payload: bytes) -> Refusal:
    return _refusal.decode(payload)


def _bytes(numbers: Ints) -> bytes:
    return numbers.astype("<i8").tobytes()


def _ints(data: bytes) -> NDArray[np.int64]:
    return np.frombuffer(data, "<i8").astype(np.int64)
