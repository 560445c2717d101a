"""One process at a time: an advisory lock that the system drops when its holder dies, however it dies."""

from __future__ import annotations

import fcntl
import os
from pathlib import Path

from streams.log.errors import InUse


class FileLock:
    """Holds ``path`` until :meth:`release`. InUse, with the holder's process id where it is known, when another has it."""

    def __init__(self, path: Path) -> None:
        self.path = path
        handle = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            holder = os.read(handle, 32).decode("ascii", "replace").strip()
            os.close(handle)
            raise InUse(
                f"{path.parent} is in use by another process{f' (process {holder})' if holder else ''}: "
                "stop it first, or give another directory"
            ) from None
        os.truncate(handle, 0)
        os.write(handle, f"{os.getpid()}\n".encode())
        self._handle: int | None = handle

    def release(self) -> None:
        """Lets go; the file stays, as taking it away would race with the next holder."""
        if self._handle is not None:
            os.close(self._handle)
            self._handle = None
