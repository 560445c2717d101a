"""Watches the rule files: when they have changed and come to rest, they are read again.

Notices come from the system where it gives any (inotify and its like). They only wake the watch: what counts is a look at the
files themselves, which is taken every few seconds anyway. So network file systems, which send no notices, are followed too, and
a directory that is taken away and put back is found again.
"""

from __future__ import annotations

import hashlib
import logging
import os
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

from watchfiles import watch

from rules.tree import MAX_ENTRIES

_log = logging.getLogger("fengsui.rules")

#: What rules are made of: rule files, feeds and constants, and the lists and tables that they name.
SUFFIXES = (".yaml", ".yml", ".csv")
_FIXTURES = (".test.yaml", ".test.yml")

#: No more of a file is read: what is larger is refused, whatever it says.
_MOST_BYTES = 64 << 20

#: An editor that writes in two goes, a checkout of many files: they count when nothing moved for this long ...
QUIET_S = 0.4
#: ... or, where something is being written without end, after this.
RESTLESS_MOST_S = 15.0
#: Without any notice the files are looked at this often.
LOOK_S = 2.0
#: What could not be put in force for want of room is tried again after this.
AGAIN_S = 5.0

#: file -> what changes whenever its bytes, its name or its permissions do
Look = dict[str, tuple[int, ...]]


class RuleWatch:
    """Calls ``reload`` in its own thread; where that answers False (not now), again after a while.

    Make it before the files are read for the first time: what changes after that is noticed.
    """

    def __init__(
        self, directory: Path, reload: Callable[[], bool], *, look_s: float = LOOK_S, quiet_s: float = QUIET_S
    ) -> None:
        self._directory = directory
        self._reload = reload
        self._look_s = look_s
        self._quiet_s = quiet_s
        self._seen = look(directory)
        self._digest = digest(directory)
        self._again = False
        self._halt = threading.Event()
        self._thread: threading.Thread | None = None

    def start(self, *, again: bool = False) -> None:
        """``again``: what was read before could not be put in force, and is to be tried again."""
        self._again = again
        self._thread = threading.Thread(target=self._run, name="rule-watch", daemon=True)
        self._thread.start()

    def stop(self) -> None:
        """After a reload in hand. May be called twice."""
        self._halt.set()
        if self._thread is not None:
            self._thread.join()

    def _run(self) -> None:
        while not self._halt.is_set():
            try:
                for _ in self._notices():
                    self._consider()
                    if self._again and self._halt.wait(AGAIN_S):
                        return
            except Exception:
                # Our own bug, or a file system that fails in a new way: rules can still be reloaded by hand.
                _log.exception("the watch over %s begins anew", self._directory)
                self._halt.wait(self._look_s)

    def _notices(self) -> Iterator[None]:
        """Something may have changed. Ends when the directory is another one, so that this one is watched from then on."""
        root, identity = self._root()
        yield  # what changed while nothing was watched
        try:
            for _ in watch(
                root,
                watch_filter=None,
                debounce=round(self._quiet_s * 1000),
                stop_event=self._halt,
                rust_timeout=round(self._look_s * 1000),
                yield_on_timeout=True,
                raise_interrupt=False,
                recursive=root == self._directory,
                ignore_permission_denied=True,
            ):
                yield
                if self._root() != (root, identity):
                    return
        except OSError as error:  # no such directory, or no more watches to be had
            _log.debug("no notices of changes in %s: %s", root, error)
        self._halt.wait(self._look_s)

    def _root(self) -> tuple[Path, tuple[int, int] | None]:
        """The directory to watch, and which one it is: another one may be put into its place."""
        root = self._directory if self._directory.is_dir() else self._directory.parent
        try:
            stat = root.stat()
        except OSError:
            return root, None
        return root, (stat.st_dev, stat.st_ino)

    def _consider(self) -> None:
        """Reads the rules where their files changed, or could not be put in force before."""
        now = look(self._directory)
        if now != self._seen:
            self._seen = self._settled(now)
            found = digest(self._directory)
            self._again, self._digest = self._again or found != self._digest, found
        if self._again and not self._halt.is_set():
            self._again = not self._reload()

    def _settled(self, now: Look) -> Look:
        """The look that stayed the same for a while."""
        for _ in range(max(1, round(RESTLESS_MOST_S / self._quiet_s))):
            if self._halt.wait(self._quiet_s):
                break
            before, now = now, look(self._directory)
            if now == before and not (self._directory / ".git" / "index.lock").exists():
                break
        return now


def look(directory: Path) -> Look:
    """Every file that matters, as it lies there."""
    return {name: _mark(path) for name, path in _files(directory)}


def digest(directory: Path) -> str:
    """Of the names and texts of every file that matters."""
    found = hashlib.blake2b(digest_size=16)
    for name, path in _files(directory):
        try:
            text = _text(path)
        except OSError as error:
            text = f"cannot be read: {error.errno}".encode()
        found.update(f"{name}\0{len(text)}\0".encode("utf-8", "surrogateescape") + text)
    return found.hexdigest()


def _files(directory: Path) -> Iterator[tuple[str, Path]]:
    """In a fixed order. A folder that cannot be read stands for itself, so that its reading again is a change."""
    if not directory.is_dir():
        beside = (path for path in (directory.parent.iterdir() if directory.is_file() else ()) if path != directory)
        yield "", directory
        yield from sorted((path.name, path) for path in beside if _matters(path.name))
        return
    shut: list[str] = []
    entries = 0
    for folder, folders, names in os.walk(directory, onerror=lambda error: shut.append(str(error.filename))):
        entries += len(folders) + len(names)
        if entries > MAX_ENTRIES:
            break  # refused anyway
        folders[:] = sorted(name for name in folders if not name.startswith("."))
        yield from ((str(Path(folder, name)), Path(folder, name)) for name in sorted(names) if _matters(name))
    yield from ((name, Path(name)) for name in shut)


def _matters(name: str) -> bool:
    return name.endswith(SUFFIXES) and not name.endswith(_FIXTURES) and not name.startswith(".")


def _text(path: Path) -> bytes:
    if not path.is_file():  # a pipe would keep us waiting
        return b""
    with path.open("rb") as file:
        return file.read(_MOST_BYTES)


def _mark(path: Path) -> tuple[int, ...]:
    try:
        stat = path.stat()
    except OSError as error:
        return (error.errno or 0,)
    return (stat.st_dev, stat.st_ino, stat.st_size, stat.st_mtime_ns, stat.st_ctime_ns)
