"""Stretches of a log on the disk, for while the store is down: a bounded directory of small files, oldest first."""

from __future__ import annotations

import errno
import os
import re
import struct
import threading
from collections.abc import Sequence
from dataclasses import dataclass
from hashlib import blake2b
from pathlib import Path

import msgspec
import numpy as np

from sinks.store.errors import StoreError, StoreFailed
from sinks.store.stretch import Stretch
from streams.cluster.record import PartitionEntry
from streams.log.entry import Entry

#: Begins each file; the number is the format's.
_MAGIC = b"FSSPOOL1"
_HEAD = struct.Struct("<8sQ16s")
_NAME = re.compile(r"(\d{12})\.(\d+)\.(-?\d+)\.(-?\d+)\.(\d+)\.batch")
_NEW = ".new"
_DAMAGED = ".damaged"


class SpoolFull(StoreError):
    """The store is down and the spool has no room left: nothing more is read from the log until the store is back."""

    retryable = True
    retry_after_s = 5.0


@dataclass(frozen=True)
class Hole:
    """Positions of a partition that the spool had taken and has lost: they are had from the log again."""

    partition: int
    first: int
    last: int
    path: Path


@dataclass(frozen=True, order=True)
class Held:
    """A file of the spool. ``at_ms``: the receipt of what is first in it."""

    number: int
    partition: int
    first: int
    last: int
    at_ms: int
    nbytes: int
    path: Path


class _Row(msgspec.Struct, array_like=True, gc=False):
    """An entry; ``stamps``: int64, little-endian, or None where the log has none."""

    pos: int
    count: int
    kind: str
    at_ms: int
    payload: bytes
    stamps: bytes | None


_encoder = msgspec.msgpack.Encoder()
_decoder = msgspec.msgpack.Decoder(list[_Row])


class Spool:
    """One process has a directory, one sink in it. A file is whole or it is not there: written beside, synced, renamed.

    ``holes``: what was damaged when the directory was opened, or is found to be when it is read; whoever reads the log fills them.
    """

    def __init__(self, directory: Path, max_bytes: int) -> None:
        """Raises StoreFailed where the directory cannot be used."""
        self.directory = directory
        self.max_bytes = max_bytes
        self.holes: list[Hole] = []
        #: files that could not be read, since the directory was opened
        self.damaged = 0
        self._lock = threading.Lock()
        try:
            self._open()
        except OSError as error:
            raise StoreFailed(f"{directory}, for what the store has not had, cannot be used: {error}") from error

    def _open(self) -> None:
        directory = self.directory
        directory.mkdir(mode=0o700, parents=True, exist_ok=True)
        for left in directory.glob(f"*{_NEW}"):  # cut off while it was written: its offset was not committed
            left.unlink()
        for path in directory.glob(f"*{_DAMAGED}"):
            self._note(path)
        found = sorted(held for path in directory.glob("*.batch") if (held := _named(path)) is not None)
        self._held = [held for held in found if self._sound(held)]
        self._next = found[-1].number + 1 if found else 1
        self._bytes = sum(held.nbytes for held in self._held)

    @property
    def used_bytes(self) -> int:
        return self._bytes

    @property
    def batches(self) -> int:
        return len(self._held)

    @property
    def oldest_ms(self) -> int:
        """The receipt of the oldest that is held, 0 for none."""
        held = self._held[:1]
        return held[0].at_ms if held else 0

    def put(self, stretches: Sequence[Stretch]) -> None:
        """Takes all of them or, with SpoolFull, none; on the disk when it returns."""
        files = [(one, _encoded(one)) for one in stretches if one.entries]
        nbytes = sum(len(data) for _, data in files)
        with self._lock:
            if self._bytes + nbytes > self.max_bytes:
                raise SpoolFull(
                    f"the store is down and {self.directory} is full ({self._bytes / 1e6:.0f} MB of {self.max_bytes / 1e6:.0f} MB): "
                    "what comes waits in the log; bring the store back"
                )
            made = []
            try:
                for stretch, data in files:
                    made.append(self._write(stretch, data))
                    self._next += 1
                _sync_directory(self.directory)
            except OSError as error:
                for held in made:
                    held.path.unlink(missing_ok=True)
                if error.errno in {errno.ENOSPC, errno.EDQUOT}:
                    raise SpoolFull(f"the store is down and no room is left for {self.directory}: make room") from error
                raise
            self._held += made
            self._bytes += nbytes

    def _write(self, stretch: Stretch, data: bytes) -> Held:
        name = f"{self._next:012d}.{stretch.partition}.{stretch.first}.{stretch.last}.{stretch.entries[0].at_ms}.batch"
        path = self.directory / name
        new = self.directory / (name + _NEW)
        try:
            with os.fdopen(os.open(new, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "wb") as file:
                file.write(data)
                file.flush()
                os.fsync(file.fileno())
            new.rename(path)
        except OSError:
            new.unlink(missing_ok=True)
            raise
        held = _named(path)
        assert held is not None, path
        return held

    def oldest(self, max_events: int, max_bytes: int) -> list[tuple[Held, Stretch]]:
        """The oldest files, read: at least one where there is any, together no more than the bounds."""
        found: list[tuple[Held, Stretch]] = []
        events = nbytes = 0
        for held in list(self._held):
            if found and nbytes + held.nbytes > max_bytes:
                break
            entries = self._read(held)
            if entries is None:
                self._lose(held)
                continue
            found.append((held, Stretch(held.partition, entries)))
            events += found[-1][1].places
            nbytes += held.nbytes
            if events >= max_events:
                break
        return found

    def drop(self, done: Sequence[Held]) -> None:
        """These are in the store."""
        with self._lock:
            for held in done:
                held.path.unlink(missing_ok=True)
            gone = {held.number for held in done}
            self._held = [held for held in self._held if held.number not in gone]
            self._bytes = sum(held.nbytes for held in self._held)

    def filled(self, hole: Hole) -> None:
        """The log has given these positions again (or has them no more)."""
        self.holes.remove(hole)
        hole.path.unlink(missing_ok=True)

    def _sound(self, held: Held) -> bool:
        if self._read(held) is not None:
            return True
        self._put_aside(held)
        return False

    def _lose(self, held: Held) -> None:
        self._put_aside(held)
        with self._lock:
            self._held = [one for one in self._held if one.number != held.number]
            self._bytes = sum(one.nbytes for one in self._held)

    def _put_aside(self, held: Held) -> None:
        """Until the log has given the positions again, they must not be forgotten, not even over a restart."""
        path = held.path.with_name(held.path.name + _DAMAGED)
        if held.path.exists():
            held.path.rename(path)
        else:
            path.touch(mode=0o600)
        self._note(path)

    def _note(self, path: Path) -> None:
        held = _named(path)
        if held is not None:
            self.damaged += 1
            self.holes.append(Hole(held.partition, held.first, held.last, path))

    def _read(self, held: Held) -> list[Entry] | None:
        """The entries of a file; None where it is not what was written."""
        try:
            data = held.path.read_bytes()
        except OSError:
            return None
        if len(data) < _HEAD.size:
            return None
        magic, length, digest = _HEAD.unpack_from(data)
        body = data[_HEAD.size :]
        if magic != _MAGIC or length != len(body) or digest != blake2b(body, digest_size=16).digest():
            return None
        return [_entry(row) for row in _decoder.decode(body)]


def _encoded(stretch: Stretch) -> bytes:
    """Payloads of events are packed already."""
    body = _encoder.encode(
        [_Row(one.pos, one.count, one.kind, one.at_ms, one.payload, _stamps(one)) for one in stretch.entries]
    )
    return _HEAD.pack(_MAGIC, len(body), blake2b(body, digest_size=16).digest()) + body


def _stamps(entry: Entry) -> bytes | None:
    return entry.stamps.astype("<i8").tobytes() if isinstance(entry, PartitionEntry) else None


def _entry(row: _Row) -> Entry:
    if row.stamps is None:
        return Entry(row.pos, row.count, row.kind, row.at_ms, row.payload)
    stamps = np.frombuffer(row.stamps, "<i8").astype(np.int64)
    return PartitionEntry(row.pos, row.count, row.kind, row.at_ms, row.payload, stamps)


def _named(path: Path) -> Held | None:
    found = _NAME.fullmatch(path.name.removesuffix(_DAMAGED))
    if found is None:
        return None
    number, partition, first, last, at_ms = (int(group) for group in found.groups())
    return Held(number, partition, first, last, at_ms, path.stat().st_size, path)


def _sync_directory(directory: Path) -> None:
    handle = os.open(directory, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
