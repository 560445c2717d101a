"""Lists and tables beside the rules: CSV files that expressions name, each read once and kept for the bundle."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import TypeVar, cast

import polars as pl

from rules.csv_source import MAX_FILE_BYTES, Row, parse_csv
from rules.errors import RuleError, RuleErrors, did_you_mean
from rules.files import inside, read_text
from rules.model import Type

MAX_FILES = 500
MAX_TEXT_CHARS = 32_000_000
#: Names looked at for a hint.
_MAX_LISTED = 2_000
#: A code such as 0531 or one of 18 digits is a text.
_NUMBER = re.compile(r"[-+]?(?:0|[1-9]\d{0,14})?(?:\.\d{1,15})?(?<=[\d])(?:[eE][-+]?\d{1,2})?")
_INTEGER = re.compile(r"[-+]?\d{1,18}")

_T = TypeVar("_T")


class TableFault(Exception):
    """What an expression asks for is not there; told at its argument number ``part``: the file, the column, a field of the key."""

    def __init__(self, message: str, hint: str = "", *, part: int = 0) -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint
        self.part = part


@dataclass(frozen=True)
class Lookup:
    """``values`` in the order of ``keys``, whose physical codes are places in it."""

    keys: pl.Enum
    values: pl.Series
    type: Type


class Tables:
    """``read`` gives the text of a file, or raises TableFault where there is none, or RuleErrors where the file is at fault."""

    def __init__(self, read: Callable[[str], str]) -> None:
        self._read = read
        #: what was asked before: the answer, or why there is none
        self._made: dict[tuple[object, ...], object] = {}
        #: the files that were asked for, by name
        self.texts: dict[str, str] = {}
        #: faults of the files themselves
        self.errors: set[RuleError] = set()

    def rows(self, name: str) -> tuple[Row, ...]:
        """All rows of a file, its header too."""
        return self.once(("rows", name), lambda: self._rows(name))

    def members(self, name: str, column: str, field: str, type_: Type) -> pl.Series:
        """The values of a list without repetition, sorted: texts, or numbers where the field is one.

        Without a column: that of the field's name, or the only one, which then has no header.
        """
        return self.once(("members", name, column, field, type_), lambda: self._members(name, column, field, type_))

    def lookup(self, name: str, column: str, fields: Mapping[str, Type]) -> Lookup:
        """A column of a table by the columns named like ``fields``, each compared as its type."""
        return self.once(("lookup", name, column, *fields.items()), lambda: self._lookup(name, column, fields))

    def once(self, what: tuple[object, ...], make: Callable[[], _T]) -> _T:
        """What ``make`` gave, or raised, when it was first asked for."""
        if what not in self._made:
            try:
                self._made[what] = make()
            except (TableFault, RuleErrors) as fault:
                self._made[what] = fault
        made = self._made[what]
        if isinstance(made, TableFault | RuleErrors):
            raise made
        return cast(_T, made)

    def _rows(self, name: str) -> tuple[Row, ...]:
        if not name.endswith(".csv"):
            raise TableFault(f"{name[:80]!r} is no CSV file", "lists and tables are files such as 'limits.csv'")
        text = self._read(name)
        size = sum(len(known) for known in self.texts.values()) + len(text)
        if len(self.texts) == MAX_FILES or size > MAX_TEXT_CHARS:
            raise TableFault(f"more than {MAX_FILES} lists, or {MAX_TEXT_CHARS:,} characters in all of them")
        rows = parse_csv(text, name)
        self.texts[name] = text
        return rows

    def _members(self, name: str, column: str, field: str, type_: Type) -> pl.Series:
        rows = self.rows(name)
        header = rows[0].cells if rows else ()
        if column or field in header:
            index, rows = _column(name, header, column or field, part=1), rows[1:]
        elif len(header) > 1:
            raise TableFault(f"{name} has {len(header)} columns", f"say which: list('{name}', '{header[0]}')")
        else:
            index = 0
        cells = [(row.line, row.cells[index]) for row in rows if row.cells[index]]
        if type_ == "string":
            return pl.Series([cell for _, cell in cells], dtype=pl.String).unique().sort()
        return _numbers(name, cells, field or "what is compared").unique().sort()

    def _lookup(self, name: str, column: str, fields: Mapping[str, Type]) -> Lookup:
        rows = self.rows(name)
        header = rows[0].cells if rows else ()
        value = _column(name, header, column, part=1)
        places = [_column(name, header, field, part=part) for part, field in enumerate(fields, 2)]
        columns: dict[str, pl.Series] = {}
        for field, place in zip(fields, places, strict=True):
            cells = [(row.line, row.cells[place]) for row in rows[1:]]
            _check_whole(name, field, cells)
            columns[field] = _typed(name, cells, field, fields[field])
        keys = pl.DataFrame(columns).select(key_expr([(pl.col(field), type_) for field, type_ in fields.items()]))
        codes = keys.to_series()
        _check_unique(name, codes, rows[1:], places)
        found = [row.cells[value] or None for row in rows[1:]]
        if all(cell is None or _NUMBER.fullmatch(cell) for cell in found):
            numbers = [None if cell is None else float(cell) for cell in found]
            return Lookup(pl.Enum(codes), pl.Series(numbers, dtype=pl.Float64), "number")
        return Lookup(pl.Enum(codes), pl.Series(found, dtype=pl.String), "string")


def key_expr(parts: Sequence[tuple[pl.Expr, Type]]) -> pl.Expr:
    """One text for the values of several columns: null where one of them is."""
    texts = []
    for expr, type_ in parts:
        # -0.0 is 0.0, but not as a text
        plain = pl.when(expr == 0.0).then(pl.lit(0.0)).otherwise(expr) if type_ == "number" else expr
        texts.append(plain if type_ == "string" else plain.cast(pl.String))
    return (texts[0] if len(texts) == 1 else pl.concat_str(texts, separator="\x1f")).alias("key")


def _column(name: str, header: Sequence[str], column: str, *, part: int) -> int:
    if column not in header:
        known = [cell for cell in header if cell]
        hint = did_you_mean(column, known) or (
            f"its first row names {', '.join(known)[:200]}" if known else "it is empty"
        )
        raise TableFault(f"{name} has no column {column[:80]!r}", hint, part=part)
    if header.count(column) > 1:
        raise TableFault(f"{name} has the column {column!r} twice", part=part)
    return header.index(column)


def _typed(name: str, cells: Sequence[tuple[int, str]], field: str, type_: Type) -> pl.Series:
    if type_ == "string":
        return pl.Series([cell for _, cell in cells], dtype=pl.String)
    if type_ == "number":
        return _numbers(name, cells, field).cast(pl.Float64)
    wrong = next(((line, cell) for line, cell in cells if not _INTEGER.fullmatch(cell)), None)
    if wrong:
        raise TableFault(f"{name}, line {wrong[0]}: {wrong[1][:40]!r} is no integer, and {field} is one")
    return pl.Series([int(cell) for _, cell in cells], dtype=pl.Int64)


def _numbers(name: str, cells: Sequence[tuple[int, str]], field: str) -> pl.Series:
    wrong = next(((line, cell) for line, cell in cells if not _NUMBER.fullmatch(cell)), None)
    if wrong:
        raise TableFault(f"{name}, line {wrong[0]}: {wrong[1][:40]!r} is no number, and {field} is one")
    return pl.Series([float(cell) for _, cell in cells], dtype=pl.Float64)


def _check_whole(name: str, field: str, cells: Sequence[tuple[int, str]]) -> None:
    errors = [
        RuleError(name, line, 1, f"the row has no {field}, by which it is looked up")
        for line, cell in cells
        if not cell
    ]
    if errors:
        raise RuleErrors(errors)


def _check_unique(name: str, keys: pl.Series, rows: Sequence[Row], places: Sequence[int]) -> None:
    """A key that stands twice would have two values."""
    if keys.n_unique() == len(keys):
        return
    seen: dict[str, int] = {}
    errors = []
    for key, row in zip(keys.to_list(), rows, strict=True):
        if key in seen:
            shown = ", ".join(row.cells[place] for place in places)
            errors.append(
                RuleError(name, row.line, 1, f"the key {shown[:80]!r} stands twice", f"first in line {seen[key]}")
            )
        seen.setdefault(key, row.line)
    raise RuleErrors(errors)


def read_from(texts: Mapping[str, str]) -> Callable[[str], str]:
    """For :class:`Tables`: out of a bundle."""

    def read(name: str) -> str:
        if name not in texts:
            raise _missing(name, [known for known in texts if known.endswith(".csv")])
        return texts[name]

    return read


def read_below(root: Path) -> Callable[[str], str]:
    """For :class:`Tables`: from the rules directory, and from nowhere else."""

    def read(name: str) -> str:
        try:
            path = inside(root, name)
        except ValueError as error:
            raise TableFault(f"{name[:80]!r} cannot be read: {error}") from None
        except OSError as error:
            raise TableFault(f"{name[:80]!r} cannot be read: {error.strerror}") from None
        if not path.exists():
            found = (path.relative_to(root).as_posix() for path in islice(root.rglob("*.csv"), _MAX_LISTED))
            raise _missing(name, sorted(found))
        return read_text(path, name, max_bytes=MAX_FILE_BYTES)

    return read


def _missing(name: str, known: Sequence[str]) -> TableFault:
    hint = did_you_mean(name, known) or "files are named by their path from the top of the rules directory"
    return TableFault(f"there is no file {name[:80]!r} in the rules directory", hint)
