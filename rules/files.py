"""Reading the files of a rules directory: bounded, UTF-8, and nothing but plain files."""

from __future__ import annotations

import os
import stat
from pathlib import Path, PurePosixPath

from rules.errors import RuleError, RuleErrors

_CHUNK_BYTES = 1 << 20
_WORKBOOK = b"PK\x03\x04"
_UTF_16 = (b"\xff\xfe", b"\xfe\xff")


def read_text(path: Path, name: str, *, max_bytes: int) -> str:
    """The text of a file without its byte order mark. RuleErrors names what is wrong with it, under ``name``."""
    try:
        data = _read(path, max_bytes + 1)
    except OSError as error:
        raise _refused(name, f"cannot be read: {error.strerror}") from None
    if data is None:
        raise _refused(name, "is no plain file")
    if len(data) > max_bytes:
        raise _refused(name, f"the file is larger than {max_bytes:,} bytes", "split it", 1, 1)
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        before = data[: error.start]
        line, column = before.count(b"\n") + 1, error.start - (before.rfind(b"\n") + 1) + 1
        raise _refused(name, "the file is not UTF-8", _encoding_hint(data), line, column) from None


def inside(root: Path, name: str) -> Path:
    """The file of that name below the directory. ValueError on a name that leads out of it, also by a link; OSError on a loop."""
    pure = PurePosixPath(name)
    if not name or pure.is_absolute() or "\\" in name or ".." in pure.parts or "\0" in name:
        raise ValueError("a file is named by its path below the rules directory")
    path = root / pure
    try:
        real = Path(os.path.realpath(path, strict=True))
    except FileNotFoundError:
        return path
    if not real.is_relative_to(os.path.realpath(root)):
        raise ValueError("the file is a link out of the rules directory")
    return path


def _read(path: Path, size: int) -> bytes | None:
    """Up to ``size`` bytes; None where this is no plain file: a pipe would be waited for, a device never ends."""
    descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
    try:
        if not stat.S_ISREG(os.fstat(descriptor).st_mode):
            return None
        data = bytearray()
        while len(data) < size:
            chunk = os.read(descriptor, min(_CHUNK_BYTES, size - len(data)))
            if not chunk:
                break
            data += chunk
        return bytes(data)
    finally:
        os.close(descriptor)


def _encoding_hint(data: bytes) -> str:
    if data.startswith(_WORKBOOK):
        return "this is an Excel workbook: save it as CSV UTF-8"
    if data.startswith(_UTF_16):
        return "this is UTF-16: save it as UTF-8"
    try:
        data.decode("gb18030")
    except UnicodeDecodeError:
        return "save it as UTF-8"
    return "it looks like GBK: save it as UTF-8 (in Excel: CSV UTF-8)"


def _refused(name: str, message: str, hint: str = "", line: int = 0, column: int = 0) -> RuleErrors:
    return RuleErrors([RuleError(name, line, column, message, hint)])
