"""Texts on a terminal, where a Chinese character takes two columns."""

from __future__ import annotations

import unicodedata


def width(text: str) -> int:
    """Columns.

    >>> width("甲厂 A")
    6
    """
    return sum(0 if unicodedata.combining(c) else 2 if unicodedata.east_asian_width(c) in "WF" else 1 for c in text)


def padded(text: str, columns: int, *, right: bool = False) -> str:
    """The text and spaces up to so many columns, after it or (``right``) before it."""
    gap = " " * max(0, columns - width(text))
    return gap + text if right else text + gap
