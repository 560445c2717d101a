"""What one gateway of several remembers: the ids that it took itself, lately.

In a cluster the engine behind each partition decides what is a duplicate. A gateway's memory only spares the partitions what one
sender repeats, and lets most receipts say so; nothing of it is kept, and forgetting costs no more than records.
"""

from __future__ import annotations

import numpy as np
import polars as pl

from streams.dedupe import Dedupe
from streams.gateway.door import Bools

_MAX_IDS = 1_000_000
_HORIZON_MS = 3_600_000


class RecentIds:
    """The last ``max_ids`` ids of the last hour. Used by one thread at a time."""

    def __init__(self, *, max_ids: int = _MAX_IDS) -> None:
        self.unusable: list[str] = []
        self.save_error = ""
        #: nothing of this is ever kept
        self.unsaved = 0
        self._max_ids = max_ids
        self._at_ms = 0
        self._fallen = 0
        # The first call compiles: now, not while the first client waits.
        self._new().fresh(pl.DataFrame({"id": ["x"], "source": ["x"]}), 0)
        self._dedupe = self._new()

    def _new(self) -> Dedupe:
        return Dedupe(horizon_ms=_HORIZON_MS, max_ids=self._max_ids)

    @property
    def fallen(self) -> int:
        return self._fallen + self._dedupe.fallen

    def fresh(self, frame: pl.DataFrame, at_ms: int) -> Bools:
        self._at_ms = max(self._at_ms, at_ms)
        return np.asarray(self._dedupe.fresh(frame, self._at_ms), dtype=np.bool_)

    def recall(self) -> None:
        """Forgets everything: what a failed write left behind in which partition is for their engines to find out."""
        self._fallen += self._dedupe.fallen + len(self._dedupe)
        self._dedupe = self._new()

    def save(self, pos: int) -> None:
        """Nothing is kept."""

    def let_go(self) -> None:
        """Nothing is kept."""

    def close(self) -> None:
        """Nothing is kept."""
