"""CSV with the line of every row: comma, double quotes, UTF-8; blank lines and lines that begin with # are passed over."""

from __future__ import annotations

import csv
import re
from collections.abc import Iterator
from dataclasses import dataclass
from io import StringIO

from rules.errors import RuleError, RuleErrors

MAX_FILE_BYTES = 4_000_000
MAX_ROWS = 100_000
MAX_COLUMNS = 100
MAX_CELL_CHARS = 1_000
_CONTROL = re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f\ud800-\udfff]")


@dataclass(frozen=True)
class Row:
    """One row, its cells without the white space around them. ``line``: where it begins, from 1."""

    line: int
    cells: tuple[str, ...]


def parse_csv(text: str, file: str) -> tuple[Row, ...]:
    """The rows of a file; all have as many cells as the first. RuleErrors names the line at fault."""
    if len(text.encode("utf-8", "surrogatepass")) > MAX_FILE_BYTES:
        raise _refused(file, 1, f"the file is larger than {MAX_FILE_BYTES:,} bytes", "split it")
    text = text.removeprefix("\ufeff")
    odd = _CONTROL.search(text)
    if odd:
        raise _refused(
            file, text.count("\n", 0, odd.start()) + 1, "a character that no text has", "is this a CSV file?"
        )
    rows: list[Row] = []
    for line, cells in _records(text, file):
        if len(rows) == MAX_ROWS:
            raise _refused(file, line, f"more than {MAX_ROWS:,} rows")
        width = len(rows[0].cells) if rows else len(cells)
        if width > MAX_COLUMNS:
            raise _refused(file, line, f"more than {MAX_COLUMNS} columns")
        if len(cells) != width:
            hint = "a value with a comma in it stands in double quotes"
            raise _refused(file, line, f"a row of {len(cells)} cells, where the first has {width}", hint)
        if any(len(cell) > MAX_CELL_CHARS for cell in cells):
            hint = "is a double quote without its end?"
            raise _refused(file, line, f"a cell of more than {MAX_CELL_CHARS:,} characters", hint)
        rows.append(Row(line, cells))
    return tuple(rows)


def _records(text: str, file: str) -> Iterator[tuple[int, tuple[str, ...]]]:
    """(line, cells) of what is neither blank nor a comment. A quoted cell may run over lines, whatever these begin with."""
    begun = 0

    def lines() -> Iterator[str]:
        nonlocal begun
        for number, line in enumerate(StringIO(text, newline=""), 1):
            if not begun and (not line.strip() or line.startswith("#")):
                continue
            begun = begun or number
            yield line

    reader = csv.reader(lines(), strict=True)
    while True:
        begun = 0
        try:
            record = next(reader, None)
        except csv.Error as error:
            hint = "a double quote in a value is doubled, and the value stands in double quotes"
            raise _refused(file, begun or 1, f"not CSV: {error}", hint) from None
        if record is None:
            return
        cells = tuple(cell.strip() for cell in record)
        if any(cells):
            yield begun, cells


def _refused(file: str, line: int, message: str, hint: str = "") -> RuleErrors:
    return RuleErrors([RuleError(file, line, 1, message, hint)])
