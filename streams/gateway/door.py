"""What a gateway needs below it: where accepted events go, and what it remembers of them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from concurrent.futures import Future
from typing import Protocol

import numpy as np
import numpy.typing as npt
import polars as pl

from events.decode import Decoded
from events.event import Rejected

Bools = npt.NDArray[np.bool_]


class SeenIds(Protocol):
    """Which events have been seen. Used by one thread at a time."""

    #: why something kept could not be used, for whoever tells people
    unusable: list[str]
    #: why what is remembered could not be kept; empty while all is well
    save_error: str
    #: events remembered that are not kept yet
    unsaved: int

    @property
    def fallen(self) -> int:
        """Ids that fell out of the horizon."""
        ...

    def fresh(self, frame: pl.DataFrame, at_ms: int) -> Bools:
        """True for each row that is seen for the first time; from now on it has been seen."""
        ...

    def recall(self) -> None:
        """Forgets what may not have been written."""
        ...

    def save(self, pos: int) -> None:
        """Keeps what is remembered of everything up to ``pos``."""
        ...

    def let_go(self) -> None:
        """Gives up what is only kept in reserve."""
        ...

    def close(self) -> None: ...


class Door(Protocol):
    """Where a gateway writes. Futures of writes and barriers are done in the order of the calls, which never block for long."""

    @property
    def memory(self) -> SeenIds: ...

    @property
    def refusals(self) -> int:
        """How often something was refused because it was full."""
        ...

    def check_room(self, nbytes: int) -> None:
        """A retryable LogError at once where ``nbytes`` more would not fit: asked before work is put into a write."""
        ...

    def write(self, decoded: Decoded, fresh: Bools, at_ms: int) -> Future[int]:
        """Writes the rows under the mask; done when they cannot be lost any more. None of them is a barrier."""
        ...

    def barrier(self) -> Future[int]:
        """Done when all that was written before is, for good or ill; the position up to which it is."""
        ...

    def bury(self, rejected: Sequence[Rejected], at_ms: int) -> Future[int]:
        """Keeps refused lines among the dead letters."""
        ...

    def activate(self, bundle: Mapping[str, object], at_ms: int) -> int:
        """Writes a rule set's activation behind all that was written before; its position, when it cannot be lost any more."""
        ...
