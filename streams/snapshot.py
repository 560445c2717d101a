"""The engine's state as bytes: MessagePack with arrays as raw memory, compressed, versioned, checked."""

from __future__ import annotations

import zlib
from typing import Any

import msgspec
import numpy as np
import zstandard

#: Raise whenever a state() changes its shape.
VERSION = 7
_MAGIC = b"FSNP"
_ARRAY = 1


class SnapshotError(Exception):
    """A snapshot that this version cannot read, or that was damaged. The log can rebuild what it held."""


def pack(state: dict[str, Any]) -> bytes:
    body = zstandard.compress(msgspec.msgpack.encode(state, enc_hook=_encode), 1)
    return _MAGIC + VERSION.to_bytes(2) + zlib.crc32(body).to_bytes(4) + body


def unpack(data: bytes) -> dict[str, Any]:
    if data[:4] != _MAGIC:
        raise SnapshotError("not a snapshot of the engine")
    version = int.from_bytes(data[4:6])
    if version != VERSION:
        raise SnapshotError(f"the snapshot is of version {version}, this program reads {VERSION}")
    body = data[10:]
    if zlib.crc32(body) != int.from_bytes(data[6:10]):
        raise SnapshotError("the snapshot is damaged (its checksum does not match)")
    state: dict[str, Any] = msgspec.msgpack.decode(zstandard.decompress(body), ext_hook=_decode, strict=True)
    return state


def _encode(value: Any) -> Any:
    if isinstance(value, np.ndarray):
        head = msgspec.msgpack.encode([value.dtype.str, list(value.shape)])
        return msgspec.msgpack.Ext(_ARRAY, len(head).to_bytes(2) + head + np.ascontiguousarray(value).tobytes())
    if isinstance(value, np.generic):
        return value.item()
    raise TypeError(f"a snapshot holds no {type(value).__name__}")


def _decode(code: int, data: memoryview) -> Any:
    if code != _ARRAY:
        raise SnapshotError(f"unknown extension {code} in a snapshot")
    size = int.from_bytes(data[:2])
    dtype, shape = msgspec.msgpack.decode(data[2 : 2 + size])
    return np.frombuffer(data[2 + size :], dtype=np.dtype(dtype)).reshape(shape).copy()
