"""A rule's version: a hash of what it means. Comments, titles, summaries, cited sources and order do not count."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping

import msgspec

#: Raised when the meaning of an unchanged rule file changes, so that the engine does not mix old state with new meaning.
LANGUAGE = 1


def rule_version(meaning: Mapping[str, object]) -> str:
    """16 hex digits. ``meaning``: canonical texts of expressions, durations in ms, names; nulls and empty values count as absent."""
    present = {name: value for name, value in meaning.items() if value not in (None, "", [], {}, ())}
    return _digest({"language": LANGUAGE, **present})


def bundle_version(bundle: Mapping[str, object]) -> str:
    """16 hex digits over the very texts: two sets with the same version are the same files."""
    return _digest(bundle)


def _digest(value: Mapping[str, object]) -> str:
    return hashlib.sha256(msgspec.json.encode(value, order="deterministic")).hexdigest()[:16]
