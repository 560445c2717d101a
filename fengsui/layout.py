"""The data directory: what lies where in it, its version, and that only one process has it."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from streams.log.errors import DiskFull, InUse, LogBroken, LogError, NewerVersion
from streams.log.lock import FileLock
from streams.log.sqlite_file import named

#: Raised when the layout changes so that an older program would do harm; an older directory is brought up on opening.
VERSION = 1


@dataclass(frozen=True)
class DataDirectory:
    """Everything that one system keeps."""

    path: Path

    @property
    def event_log(self) -> Path:
        return self.path / "log" / "events.sqlite"

    @property
    def transition_log(self) -> Path:
        return self.path / "log" / "transitions.sqlite"

    def lineage(self, identity: str) -> str:
        """Names the transition log of this identity in this very file: a copy of it, such as a restored backup, is another."""
        return f"{identity}-{self.transition_log.stat().st_ino}"

    @property
    def dead_log(self) -> Path:
        return self.path / "log" / "dead.sqlite"

    @property
    def snapshots(self) -> Path:
        """Of the engine and of the dedupe state."""
        return self.path / "snapshots"

    @property
    def store(self) -> Path:
        """The store's own files, where it is not a server."""
        return self.path / "store"

    @property
    def spool(self) -> Path:
        """What a store on a server has not had while it was down."""
        return self.path / "spool"

    @property
    def version_file(self) -> Path:
        return self.path / "VERSION"

    @property
    def lock_file(self) -> Path:
        return self.path / "lock"

    @property
    def address_file(self) -> Path:
        """Where the system that runs on it answers; only true while the lock is held."""
        return self.path / "address"

    @property
    def exists(self) -> bool:
        return self.version_file.is_file()

    def version(self) -> int | None:
        """What wrote it; None where nothing has. LogBroken where the file cannot be read as a number."""
        try:
            return int(self.version_file.read_text(encoding="ascii"))
        except FileNotFoundError:
            return None
        except (OSError, ValueError) as error:
            raise LogBroken(f"{self.version_file} is damaged ({error}): restore the directory from a backup") from error

    def check_version(self) -> None:
        """NewerVersion where a newer program wrote it."""
        version = self.version()
        if version is not None and version > VERSION:
            raise NewerVersion(
                f"{self.path} was written by a newer version of Fengsui (directory format {version}, this one knows "
                f"{VERSION}): install that version, or give another directory with --data"
            )

    def open(self) -> FileLock:
        """Makes what is missing and takes the directory for this process. InUse, NewerVersion, DiskFull, LogBroken."""
        try:
            self.path.mkdir(parents=True, exist_ok=True)
            self.path.chmod(self.path.stat().st_mode & 0o770)
            lock = FileLock(self.lock_file)
        except OSError as error:
            raise _named(error, self.path) from error
        try:
            self.check_version()
            if self.version() is None:
                self.version_file.write_text(f"{VERSION}\n", encoding="ascii")
        except (OSError, LogError) as error:
            lock.release()
            raise _named(error, self.path) from error
        return lock

    def in_use(self) -> bool:
        """Does another process have it?"""
        if not self.lock_file.exists():
            return False
        try:
            FileLock(self.lock_file).release()
        except InUse:
            return True
        return False

    def address(self) -> str | None:
        """Where the running system answers; None where none runs."""
        if not self.in_use():
            return None
        try:
            return self.address_file.read_text(encoding="utf-8").strip() or None
        except OSError:
            return None


def _named(error: Exception, path: Path) -> LogError:
    if isinstance(error, PermissionError):
        return LogBroken(
            f"{path} cannot be written by this user ({error.strerror}): give another directory with --data"
        )
    if isinstance(error, (FileExistsError, NotADirectoryError)):
        return LogBroken(f"{path} is no directory, nor can it become one: give another directory with --data")
    if isinstance(error, OSError) and error.errno == 28:
        return DiskFull(f"the disk that holds {path} is full: make room")
    return named(error, path / "VERSION")
