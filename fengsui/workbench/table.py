"""Tables of text in which Chinese and Latin columns stand under each other."""

from __future__ import annotations

from collections.abc import Sequence

from fengsui.workbench.width import padded, width


def cut(text: str, most: int) -> str:
    """At most so many columns, an ellipsis where something was cut; control characters do not reach a terminal."""
    text = "".join(char if char.isprintable() else " " for char in text)
    if width(text) <= most:
        return text
    kept, used = [], 0
    for char in text:
        used += width(char)
        if used > most - 1:
            break
        kept.append(char)
    return "".join(kept) + "…"


def table(head: Sequence[str], rows: Sequence[Sequence[str]], *, left: int = 1, most: int = 44) -> list[str]:
    """Lines of a table: a head, a rule, the rows. The first ``left`` columns are texts, the others numbers, set to the right."""
    cells = [[cut(cell, most if i < left else 200) for i, cell in enumerate(row)] for row in (head, *rows)]
    columns = [max(width(row[i]) for row in cells) for i in range(len(head))]
    lines = [
        "  ".join(padded(cell, columns[i], right=i >= left) for i, cell in enumerate(row)).rstrip() for row in cells
    ]
    return [lines[0], "─" * sum(columns, 2 * (len(columns) - 1)), *lines[1:]]
