"""Snapshots on disk: written whole or not at all, checked when read, and the one before the newest kept in reserve."""

from __future__ import annotations

import contextlib
import hashlib
import os
import re
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import msgspec

from streams.log.errors import NewerVersion
from streams.log.sqlite_file import named, sync_directory

_MAGIC = b"FSSNAP\n"
_FORMAT = 1
_KEEP = 2


class _Header(msgspec.Struct):
    format: int
    pos: int
    log: str
    length: int
    digest: str
    extra: dict[str, Any] = {}


@dataclass(frozen=True)
class Snapshot:
    """State as of a position of a log. ``log``: that log's identity; ``extra``: small values stored beside the body."""

    pos: int
    log: str
    body: bytes
    extra: dict[str, Any] = field(default_factory=dict)


class SnapshotDirectory:
    """The snapshots of one part (``name``) in a directory shared with others."""

    def __init__(self, path: Path, name: str) -> None:
        self.path = path
        self._name = name
        self._pattern = re.compile(rf"{re.escape(name)}-(\d{{20}})\.snapshot")
        #: files that could not be used, and why
        self.unusable: list[str] = []

    def save(self, snapshot: Snapshot) -> int:
        """Writes one and lets go of all but the two newest; the least position still covered by a file.

        On the disk when it returns. Raises DiskFull or LogBroken; the snapshots that were there stay.
        """
        target = self.path / f"{self._name}-{snapshot.pos:020d}.snapshot"
        partial = target.with_suffix(".partial")
        header = _Header(
            _FORMAT, snapshot.pos, snapshot.log, len(snapshot.body), _digest(snapshot.body), snapshot.extra
        )
        head = msgspec.json.encode(header)
        try:
            self.path.mkdir(parents=True, exist_ok=True)
            with partial.open("wb") as file:
                file.write(_MAGIC + len(head).to_bytes(4, "big") + head)
                file.write(snapshot.body)
                file.flush()
                os.fsync(file.fileno())
            partial.replace(target)
            sync_directory(self.path)
            files = self._files()
            for _, old in files[:-_KEEP]:
                old.unlink(missing_ok=True)
        except OSError as error:
            with contextlib.suppress(OSError):
                partial.unlink()
            raise named(error, target) from error
        return files[-_KEEP:][0][0]

    def load(self, *, log: str, newest: int) -> list[Snapshot]:
        """Every usable one of that log at or below ``newest``, newest first (at most two). NewerVersion.

        One that is torn, altered, of another log or ahead of it is passed over and named in ``unusable``.
        """
        self.unusable = []
        for left in self.path.glob(f"{self._name}-*.partial") if self.path.is_dir() else ():
            left.unlink(missing_ok=True)  # of a process that died while it wrote
        found = []
        for pos, path in reversed(self._files()):
            snapshot = self._read(path)
            if snapshot is None:
                continue
            if snapshot.log != log or not pos == snapshot.pos <= newest:
                self.unusable.append(f"{path.name}: belongs to another log or to a later state of it")
                continue
            found.append(snapshot)
        return found

    def _read(self, path: Path) -> Snapshot | None:
        try:
            data = path.read_bytes()
            if not data.startswith(_MAGIC):
                raise ValueError("not a snapshot")
            start = len(_MAGIC) + 4
            end = start + int.from_bytes(data[len(_MAGIC) : start], "big")
            format_ = msgspec.json.decode(data[start:end])["format"]
            if format_ > _FORMAT:
                raise NewerVersion(f"{path} was written by a newer version of Fengsui: install that version")
            header = msgspec.json.decode(data[start:end], type=_Header)
            body = data[end:]
            if len(body) != header.length or _digest(body) != header.digest:
                raise ValueError("torn or altered")
        except (OSError, ValueError, KeyError, TypeError, msgspec.MsgspecError) as error:
            self.unusable.append(f"{path.name}: {error}")
            return None
        return Snapshot(header.pos, header.log, body, header.extra)

    def _files(self) -> list[tuple[int, Path]]:
        """Position and path, oldest first."""
        if not self.path.is_dir():
            return []
        matches = ((self._pattern.fullmatch(path.name), path) for path in self.path.iterdir())
        return sorted((int(match[1]), path) for match, path in matches if match)


def _digest(body: bytes) -> str:
    return hashlib.blake2b(body, digest_size=16).hexdigest()
