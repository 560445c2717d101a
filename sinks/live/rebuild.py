"""A rebuild of the live state in Redis that goes on by itself, and can be asked how far it is."""

from __future__ import annotations

import threading
from dataclasses import dataclass, replace
from typing import Literal

from sinks.live.errors import LiveError
from sinks.live.writer import LiveWriter, Rebuilt
from sinks.store.errors import StoreError
from streams.log.errors import LogError


@dataclass(frozen=True)
class Progress:
    """``stage`` is ``read`` (positions of the log) or ``write`` (alerts); ``done`` of ``of``."""

    state: Literal["idle", "running", "done", "failed"] = "idle"
    stage: str = ""
    done: int = 0
    of: int = 0
    error: str = ""
    rebuilt: Rebuilt | None = None


class Rebuilding:
    """One at a time."""

    def __init__(self, writer: LiveWriter) -> None:
        self._writer = writer
        self._lock = threading.Lock()
        self._progress = Progress()

    @property
    def progress(self) -> Progress:
        return self._progress

    def begin(self, *, replace_other: bool = False) -> bool:
        """Starts one; False where one is under way."""
        with self._lock:
            if self._progress.state == "running":
                return False
            self._progress = Progress("running")
        threading.Thread(
            target=self._run, kwargs={"replace_other": replace_other}, name="live-rebuild", daemon=True
        ).start()
        return True

    def _run(self, *, replace_other: bool) -> None:
        try:
            rebuilt = self._writer.rebuild(replace=replace_other, tell=self._tell)
        except (LiveError, LogError, StoreError) as error:
            self._progress = replace(self._progress, state="failed", error=str(error))
        except BaseException as error:
            self._progress = replace(self._progress, state="failed", error=f"{type(error).__name__}: {error}")
            raise
        else:
            self._progress = replace(self._progress, state="done", rebuilt=rebuilt)

    def _tell(self, stage: str, done: int, of: int) -> None:
        self._progress = replace(self._progress, stage=stage, done=done, of=of)
