"""What can go wrong between several machines, by name. As everywhere, each error says whether trying again can help."""

from __future__ import annotations

from streams.log.errors import LogError


class ForeignRecord(LogError):
    """A record in one of our topics that is none of ours."""


class NewerRecord(LogError):
    """A record, or a snapshot, that a newer version of Fengsui wrote."""
