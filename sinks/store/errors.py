"""What can go wrong with the store, by name. Each error says whether trying again can help."""

from __future__ import annotations


class StoreError(Exception):
    """The root. ``retryable``: the same call may succeed later without anyone changing anything."""

    retryable: bool = False
    #: when to try again, in seconds; only where ``retryable``
    retry_after_s: float | None = None


class StoreDown(StoreError):
    """The server cannot be reached, or it closed the connection."""

    retryable = True
    retry_after_s = 1.0


class StoreBusy(StoreError):
    """The question took more time or memory than one may: narrow it, or ask again when less is going on."""

    retryable = True
    retry_after_s = 5.0


class StoreFull(StoreError):
    """No room is left on the store's disk."""

    retryable = True
    retry_after_s = 30.0


class StoreInUse(StoreError):
    """Another process holds the directory."""


class StoreRefused(StoreError):
    """The server does not let us in, or not do what we must: user, password, rights, certificate."""


class StoreNewer(StoreError):
    """The tables were made by a newer version of Fengsui than this one."""


class StoreMismatch(StoreError):
    """The store was filled from other logs than these."""


class StoreFailed(StoreError):
    """The engine refused a statement: a fault of ours, or of the store's files."""


class StoreClosed(StoreError):
    """The store was closed."""
