"""What an explanation is made of."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass


@dataclass(frozen=True)
class Line:
    """A sentence, and what hangs below it as a list."""

    text: str
    items: tuple[str, ...] = ()


@dataclass(frozen=True)
class Section:
    """A heading and its sentences. ``name`` is the same in every language."""

    name: str
    title: str
    lines: tuple[Line, ...]


def as_text(sections: Iterable[Section]) -> str:
    """Sections as a terminal shows them."""
    out: list[str] = []
    for section in sections:
        out.append(section.title)
        for line in section.lines:
            out.append(f"  {line.text}")
            for item in line.items:  # what begins with spaces is set in below the item before it
                inner = item.lstrip(" ")
                out.append(f"    {item[: len(item) - len(inner)]}- {inner}")
    return "\n".join(out)
