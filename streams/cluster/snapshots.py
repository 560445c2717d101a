"""Snapshots of a cluster's engines, in a compacted topic with a partition for each: in pieces, two at a time, the newer beside
the one in reserve.

A snapshot is its pieces and then a manifest that says how many they are and what they add up to; one that is torn, or was overwritten
by a worker that had lost the partition without knowing, does not match its manifest and is passed over.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from typing import Any

import msgspec
from kafka import TopicPartition

from streams.cluster.address import Address
from streams.cluster.client import MAX_RECORD_BYTES, consumer, naming
from streams.cluster.errors import NewerRecord
from streams.cluster.producer import Producer
from streams.cluster.topology import SNAPSHOTS

FORMAT = 1
_PIECE_BYTES = 1 << 20
_UNDER_WAY = 16
_SLOTS = 2
_POLL_MS = 500
_WAIT_S = 60.0


class _Manifest(msgspec.Struct):
    format: int
    pos: int
    pieces: int
    length: int
    digest: str
    version: str


@dataclass(frozen=True)
class Saved:
    """A snapshot that covers a partition up to ``pos``. ``version``: of the program that wrote it."""

    pos: int
    body: bytes
    version: str


class SnapshotTopic:
    """The snapshots of one engine. ``number``: the partition that is its own. Used by one thread at a time."""

    def __init__(self, address: Address, number: int, producer: Producer, *, version: str) -> None:
        self._topic = address.topic(SNAPSHOTS)
        self._address = address
        self._number = number
        self._producer = producer
        self._version = version
        #: slot -> what its manifest says
        self._slots: dict[int, _Manifest] = {}
        #: what could not be used, and why
        self.unusable: list[str] = []

    def save(self, pos: int, body: bytes) -> None:
        """Durable when it returns; the newest one that was there stays as it is. LogError."""
        newest = max(self._slots, key=lambda slot: self._slots[slot].pos, default=_SLOTS - 1)
        slot = (newest + 1) % _SLOTS
        pieces = [body[at : at + _PIECE_BYTES] for at in range(0, len(body), _PIECE_BYTES)]
        under_way: list[Any] = []
        for number, piece in enumerate(pieces):
            under_way.append(self._producer.send(self._topic, self._number, piece, key=_key(slot, number)))
            if len(under_way) >= _UNDER_WAY:
                under_way.pop(0).result(_WAIT_S)
        before = self._slots.get(slot)
        left_over = range(len(pieces), before.pieces if before else 0)
        under_way += [self._producer.send(self._topic, self._number, None, key=_key(slot, n)) for n in left_over]
        for one in under_way:
            one.result(_WAIT_S)
        manifest = _Manifest(FORMAT, pos, len(pieces), len(body), _digest(body), self._version)
        encoded = msgspec.json.encode(manifest)
        self._producer.send(self._topic, self._number, encoded, key=_key(slot, None)).result(_WAIT_S)
        self._slots[slot] = manifest

    def load(self) -> list[Saved]:
        """Those that can be used, the newest first. NewerRecord, LogError."""
        records = self._read()
        self.unusable = []
        found = []
        for slot in range(_SLOTS):
            encoded = records.get(_key(slot, None))
            if encoded is None:
                continue
            try:
                shape = msgspec.json.decode(encoded, type=dict[str, Any])
                if shape["format"] > FORMAT:
                    raise NewerRecord(
                        f"{self._topic}-{self._number} holds a snapshot of Fengsui {shape.get('version')} (form {shape['format']}, this "
                        f"version reads up to {FORMAT}): install that version"
                    )
                manifest = msgspec.convert(shape, _Manifest)
                body = b"".join(records[_key(slot, number)] for number in range(manifest.pieces))
                if len(body) != manifest.length or _digest(body) != manifest.digest:
                    raise ValueError("its pieces do not add up to it")
            except (msgspec.MsgspecError, KeyError, TypeError, ValueError) as error:
                self.unusable.append(f"snapshot {slot} in {self._topic}-{self._number}: {error}")
                continue
            self._slots[slot] = manifest
            found.append(Saved(manifest.pos, body, manifest.version))
        return sorted(found, key=lambda saved: -saved.pos)

    def _read(self) -> dict[bytes, bytes]:
        partition = TopicPartition(self._topic, self._number)
        records: dict[bytes, bytes] = {}
        client = consumer(self._address, fetch_max_bytes=MAX_RECORD_BYTES)
        try:
            with naming(self._address, f"{self._topic}-{self._number}"):
                client.assign([partition])
                end = client.end_offsets([partition])[partition]
                client.seek(partition, client.beginning_offsets([partition])[partition])
                while client.position(partition) < end:
                    for record in client.poll(_POLL_MS).get(partition, ()):
                        if record.value is None:
                            records.pop(record.key, None)
                        else:
                            records[record.key] = record.value
        finally:
            client.close(autocommit=False)
        return records


def _key(slot: int, piece: int | None) -> bytes:
    return b"%d/manifest" % slot if piece is None else b"%d/%06d" % (slot, piece)


def _digest(body: bytes) -> str:
    return hashlib.blake2b(body, digest_size=16).hexdigest()
