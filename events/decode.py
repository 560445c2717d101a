"""Lines of JSON to columns: whole batches at once, and line by line only what does not lend itself to that.

Where numba is there, a compiled loop reads what is written plainly (:mod:`events.scan`), which is nearly everything. What it
leaves, Polars is asked for. Polars reads NDJSON into typed columns fast, but not strictly: it turns numbers in text fields into text, takes the first of
two fields of one name, and drops fields that it was not asked for. So a batch read is believed only if it accounts for every
field in the bytes (:mod:`events.census`); otherwise lines that cannot be right are set apart, the batch is cut up, and
what remains is read line by line (:mod:`events.line`). All ways give the same events; which of them was taken shows in nothing but the time it took.

The proof. Let a batch be flat objects without escaped quotes, n values in it, of these s texts, z nulls, o others; c texts begin
with a colon, e of them with ``:null``. A census counts strings = n + s, names = n + c, nulls = z - f + e, where f are nulls
written with unusual space. Polars gives cells, no more than n - z: n - z - d, where d repeat a field that had a value; of
these o - t in columns that hold no text, where t went into text columns.
(1) names - nulls - cells = c + d + f - e. As e <= c, it is 0 only if d = f = 0 and c = e.
(2) then 2 names - strings - nulls - others = 2c - e + t = c + t, which is 0 only if c = t = 0.
What is left is a field that is there twice with a null for one: (3) where there are nulls, the batch is read once more with
a zero for each null, and again every field must be accounted for.
"""

from __future__ import annotations

import io
import re
import threading
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import msgspec
import numpy as np
import polars as pl

from events.census import Census, irregular
from events.event import ENVELOPE, MAX_AHEAD_MS, MAX_LINE_BYTES, REQUIRED, Rejected
from events.feeds import FeedCatalog
from events.instants import parse_column
from events.jit import COMPILED
from events.line import LineReader, Refusal, Value
from events.lines import Bools, Int64s, Lines
from events.scan import FEED, KINDS, MAX_FIELDS, OTHER, Field, Scanner
from events.times import MAX_MS, MIN_MS

#: Decoded at a time, so that memory is bounded whatever the caller brings.
_PIECE_BYTES = 16 << 20
#: Below this many lines a batch read costs more than it saves.
_FEW = 100
#: A batch that cannot be read at once is cut into this many, down to a size that is as well read line by line.
_CUTS = 8
_LEAF = 512
#: Rounds after which a column that held nothing is no longer read.
_ROUNDS = 16
#: Fields outside of the catalogue that are read along, to account for them.
_MAX_EXTRAS = 64
_SAMPLE = 48
#: Always asked for; coordinates are as rare as any field.
_USUAL = tuple(name for name in ENVELOPE if name not in {"lon", "lat"})
_EXTRA: dict[type, pl.DataType] = {bool: pl.Boolean(), int: pl.Float64(), float: pl.Float64()}
_INTEGER = r"^-?[0-9]+$"
#: What stands otherwise in JSON than it reads.
_ESCAPED = re.compile(r'["\\\x00-\x1f]')


@dataclass(frozen=True, eq=False)
class Decoded:
    """What became of the lines.

    ``frame``: one row an event, in order of the lines, columns of ``FeedCatalog.schema()`` (times in epoch ms). ``lines``: the
    1-based number of each row's line; blank lines count as lines. ``rejected``: the refused lines, in order.
    """

    frame: pl.DataFrame
    lines: Int64s
    rejected: list[Rejected]
    #: of the lines, with the blank ones
    count: int
    _pieces: Sequence[Lines]

    def __len__(self) -> int:
        return len(self.lines)

    def raw(self, row: int) -> bytes:
        """The line of a row as it came, without its end."""
        assert row >= 0
        for piece in self._pieces:
            if row < len(piece):
                return piece[row]
            row -= len(piece)
        raise IndexError("no such row")

    def raw_lines(self, mask: Bools | None = None) -> bytes:
        """The lines of the rows under the mask (all without one), one newline between two and none at the end."""
        texts: list[bytes] = []
        begin = 0
        for piece in self._pieces:
            taken = piece if mask is None else piece.take(np.asarray(mask[begin : begin + len(piece)], np.bool_))
            begin += len(piece)
            if len(taken):
                texts.append(taken.joined().removesuffix(b"\n"))
        return b"\n".join(texts)


@dataclass(frozen=True, eq=False)
class _Part:
    """Rows in order of their lines; columns that hold nothing are left out."""

    columns: Mapping[str, pl.Series]
    lines: Lines


@dataclass(frozen=True)
class _Plan:
    """What a batch read asks for. ``numeric``: the time columns that hold integers rather than texts."""

    columns: Mapping[str, pl.DataType]
    numeric: frozenset[str] = frozenset()


class _Hint:
    """What to ask for of one feed's lines. Hints change which way is taken, never what comes of it."""

    def __init__(self, columns: Mapping[str, pl.DataType]) -> None:
        self.plan = _Plan(columns)
        self.round = 0
        #: column of the plan -> the last round in which it held something
        self.used: dict[str, int] = {}
        #: reads most lines of the feed; None where the feed has too many fields for it
        self.scanner: Scanner | None = None


@dataclass(frozen=True)
class _Job:
    """One call's parameter and results so far."""

    receipt_ms: int | None
    parts: list[_Part]
    rejected: list[Rejected]


class Decoder:
    """Decodes by a catalogue. May be used by several threads: what it changes are hints on which way is fast."""

    def __init__(self, catalog: FeedCatalog) -> None:
        self.catalog = catalog
        self._reader = LineReader(catalog)
        self._schema = catalog.schema()
        #: columns that bear the name of their field, with its type
        self._plain: dict[str, str] = dict(ENVELOPE)
        #: column -> the feeds that declare it; no entry for the envelope
        self._declared: dict[str, set[str]] = {}
        #: feeds that have a field in a column of another name: they are read line by line
        self._retyped: set[str] = set()
        for feed in catalog.feeds:
            for name in catalog.field_names(feed):
                if catalog.column(feed, name) != name:
                    self._retyped.add(feed)
                elif name not in ENVELOPE:
                    self._plain[name] = catalog.field_type(feed, name) or "string"
                    self._declared.setdefault(name, set()).add(feed)
        #: feeds that can be read in columns
        self._declares = frozenset(catalog.feeds.keys() - self._retyped)
        self._times = {name for name, word in self._plain.items() if word == "time"}
        #: what a batch read asks for; times are texts unless the plan says otherwise
        self._kinds = {name: pl.String() if name in self._times else self._schema[name] for name in self._plain}
        self._nulls: dict[pl.DataType, pl.Series] = {}
        self._blank = pl.DataFrame(schema=self._schema)
        kinds = {"string": str, "number": float, "integer": int, "boolean": bool, "time": str | int}
        row = msgspec.defstruct(
            "Row",
            [
                (f"f{i}", kinds[word] | None, msgspec.field(name=name, default=None))
                for i, (name, word) in enumerate(self._plain.items())
            ],
        )
        self._fits = msgspec.json.Decoder(row).decode
        # Asking for all columns of the catalogue would take several times as long as asking for those in use.
        self._lock = threading.Lock()
        self._hints: dict[str, _Hint] = {}
        #: the one feed that all lines were of lately; None where they are mixed
        self._only: str | None = None
        #: feeds that were scanned lately, those with most lines first
        self._recent: tuple[str, ...] = ()

    def decode(self, data: bytes, *, receipt_ms: int | None = None) -> Decoded:
        """Events of NDJSON. ``receipt_ms``: when they came in, to refuse those stamped too far ahead; None does not ask."""
        done: list[_Part] = []
        rejected: list[Rejected] = []
        count = 0
        for piece in _pieces(data):
            lines, of_piece = Lines.of(piece, first=count + 1)
            count += of_piece
            if len(lines):
                job = _Job(receipt_ms, [], rejected)
                self._piece(lines, job)
                if job.parts:
                    done.append(self._in_order(job.parts))
        rejected.sort(key=lambda one: one.line)
        columns = self._concatenated(done)
        numbers = np.concatenate([np.zeros(0, np.int64), *(part.lines.numbers for part in done)])
        return Decoded(self._filled(columns, len(numbers)), numbers, rejected, count, [part.lines for part in done])

    # ------------------------------------------------------------ which way

    def _piece(self, lines: Lines, job: _Job) -> None:
        lines = self._scanned(lines, job)
        if not len(lines):
            return
        if len(lines) >= _FEW:
            odd = irregular(lines) | (lines.ends - lines.starts > MAX_LINE_BYTES)
            if odd.any():
                self._one_by_one(lines.take(odd), job)
                lines = lines.take(~odd)
        if len(lines) < _FEW:
            self._one_by_one(lines, job)
        elif self._only is None or not self._at_once(lines, job, self._hints[self._only]):
            self._by_feeds(lines, job)

    def _by_feeds(self, lines: Lines, job: _Job, *, screened: bool = False) -> None:
        """Each feed's lines apart: then they are of a few columns, and none is another feed's."""
        frame = _read(lines.joined(), _Plan({"feed": pl.String()}))
        if frame is None or frame.height != len(lines):
            unfit = np.ones(len(lines), np.bool_) if screened else self._unfit(lines)
            self._one_by_one(lines.take(unfit), job)
            if not unfit.all():
                self._by_feeds(lines.take(~unfit), job, screened=True)
            return
        feeds = frame["feed"]
        present = feeds.unique().to_list()
        with self._lock:
            self._only = present[0] if len(present) == 1 and present[0] in self._declares else None
        for feed in present:
            own = (
                lines
                if len(present) == 1
                else lines.take((feeds.is_null() if feed is None else (feeds == feed).fill_null(False)).to_numpy())
            )
            if feed in self._declares:
                self._regular(own, job, self._hint(feed), screened=screened)
            else:  # no such feed, or one that must be read line by line
                self._one_by_one(own, job)

    def _regular(self, lines: Lines, job: _Job, hint: _Hint, *, screened: bool = False) -> None:
        """One feed's lines, in as few batch reads as will do, and what remains line by line."""
        if len(lines) < _FEW:
            self._one_by_one(lines, job)
            return
        if self._at_once(lines, job, hint):
            return
        if self._learn(lines, hint) and self._at_once(lines, job, hint):
            return
        if not screened:
            unfit = self._unfit(lines)
            if unfit.any():
                self._one_by_one(lines.take(unfit), job)
                self._regular(lines.take(~unfit), job, hint, screened=True)
                return
        if len(lines) <= _LEAF:
            self._one_by_one(lines, job)
            return
        step = -(-len(lines) // _CUTS)
        for begin in range(0, len(lines), step):
            self._regular(lines.take(slice(begin, begin + step)), job, hint, screened=True)

    def _unfit(self, lines: Lines) -> Bools:
        """The lines that no batch read will take: no JSON, or with a value that does not fit its column."""
        unfit = np.zeros(len(lines), np.bool_)
        for row, line in enumerate(lines):
            try:
                self._fits(line)
            except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError, ValueError):
                unfit[row] = True
        return unfit

    # ---------------------------------------------------------------- scanned

    def _scanned(self, lines: Lines, job: _Job) -> Lines:
        """Reads what is plainly written, of the feeds that spoke lately; -> the lines that it leaves."""
        if not COMPILED or len(lines) < _FEW:
            return lines
        counts: dict[str, int] = {}
        for feed in self._recent:
            if len(lines) < _FEW:
                break
            before = len(lines)
            lines = self._scan(lines, job, feed)
            counts[feed] = before - len(lines)
        if len(lines) >= _FEW:
            for feed in sorted(self._sampled(lines)):
                before = len(lines)
                lines = self._scan(lines, job, feed) if before else lines
                counts[feed] = counts.get(feed, 0) + before - len(lines)
        with self._lock:
            self._recent = tuple(sorted((feed for feed in counts if counts[feed]), key=lambda feed: -counts[feed]))
        return lines

    def _scan(self, lines: Lines, job: _Job, feed: str) -> Lines:
        scanner = self._hint(feed).scanner
        if scanner is None:
            return lines
        done, columns = scanner.read(lines)
        if not done.any():
            return lines
        if job.receipt_ms is not None:
            ahead = (columns["time"] > job.receipt_ms + MAX_AHEAD_MS).to_numpy()
            if ahead.any():
                done[np.flatnonzero(done)[ahead]] = False
                columns = {name: column.filter(pl.Series(~ahead)) for name, column in columns.items()}
        if done.any():
            job.parts.append(_Part(columns, lines if done.all() else lines.take(done)))
        return lines.take(~done)

    def _sampled(self, lines: Lines) -> set[str]:
        """Looks into some lines for the feeds they are of, and for fields that a scanner should know; -> feeds worth a try."""
        found: dict[str, set[str]] = {}
        for row in range(0, len(lines), max(1, len(lines) // _SAMPLE)):
            try:
                event = msgspec.json.decode(lines[row])
            except (msgspec.MsgspecError, ValueError, RecursionError):
                continue
            if isinstance(event, dict) and isinstance(feed := event.get("feed"), str) and feed in self.catalog.feeds:
                nested = any(isinstance(value, (dict, list)) for value in event.values())
                found.setdefault(feed, set()).update(() if nested else event)
        return {feed for feed, names in found.items() if self._extend(feed, names) or feed not in self._recent}

    def _extend(self, feed: str, names: set[str]) -> bool:
        """Let the feed's scanner know these names; whether any of them is news to it."""
        hint = self._hint(feed)
        with self._lock:
            if hint.scanner is None:
                return False
            known = {field.name for field in hint.scanner.fields}
            plain = {name for name in names if not _ESCAPED.search(name)}
            new = sorted(plain - known)[: MAX_FIELDS - len(known)]
            if new:
                hint.scanner = Scanner(feed, (*hint.scanner.fields, *(Field(name, OTHER, "") for name in new)))
        return bool(new)

    def _hint(self, feed: str) -> _Hint:
        with self._lock:
            hint = self._hints.get(feed)
            if hint is None:
                hint = self._hints[feed] = _Hint({name: self._kinds[name] for name in _USUAL})
                hint.scanner = self._scanner(feed)
        return hint

    def _scanner(self, feed: str) -> Scanner | None:
        fields = []
        for name in self.catalog.field_names(feed):
            kind = FEED if name == "feed" else KINDS[self.catalog.field_type(feed, name) or "string"]
            fields.append(Field(name, kind, "" if name == "feed" else self.catalog.column(feed, name)))
        return Scanner(feed, fields) if len(fields) < MAX_FIELDS else None

    # ---------------------------------------------------------- line by line

    def _one_by_one(self, lines: Lines, job: _Job) -> None:
        rows: list[dict[str, Value]] = []
        kept: list[int] = []
        for row, line in enumerate(lines):
            try:
                rows.append(self._reader.read(line, receipt_ms=job.receipt_ms))
                kept.append(row)
            except Refusal as refusal:
                job.rejected.append(refusal.rejected(int(lines.numbers[row]), line))
        if rows:
            columns = {
                name: pl.Series(name, [values.get(name) for values in rows], dtype=self._schema[name])
                for name in dict.fromkeys(name for values in rows for name in values)
            }
            job.parts.append(_Part(columns, lines.take(np.array(kept, np.int64))))

    # --------------------------------------------------------------- at once

    def _at_once(self, lines: Lines, job: _Job, hint: _Hint, numeric: frozenset[str] | None = None) -> bool:
        """Reads all lines in columns, and the few that look wrong one by one. False, with nothing done, where it cannot.

        ``numeric``: the time columns that hold integers; None leaves it to the hint.
        """
        text = lines.joined()
        census = Census.of(text)
        if census is None:
            return False
        plan = hint.plan if numeric is None else _Plan(hint.plan.columns, numeric)
        frame = _read(text, plan)
        if frame is None and numeric is None and plan.numeric:
            plan = _Plan(plan.columns)
            frame = _read(text, plan)
        if frame is None or frame.height != len(lines):
            return False
        cells = sum(frame.height - column.null_count() for column in frame)
        if census.names - census.nulls != cells:  # (1)
            return False

        read = {column.name: column for column in frame if column.null_count() < frame.height}
        columns = {name: column for name, column in read.items() if name in self._plain}
        wrong = np.zeros(frame.height, np.bool_)
        for name in self._times & columns.keys():
            if name in plan.numeric:
                one = pl.col(name)
                column = read[name].to_frame().select(pl.when(one.is_between(MIN_MS, MAX_MS)).then(one)).to_series()
            else:
                column, integers = _instants(read[name])
                if integers.any():
                    return self._by_form(name, integers, lines, job, hint, plan)
            # What was there and is no time now: the reader of lines says what is wrong with it.
            if column.null_count() > read[name].null_count():
                wrong |= (column.is_null() & read[name].is_not_null()).to_numpy()
            columns[name] = column

        others = sum(frame.height - column.null_count() for column in frame if column.dtype != pl.String)
        if 2 * census.names - census.strings - census.nulls != others:  # (2)
            return False
        if census.nulls and not _once_each(text, plan, census):  # (3)
            return False

        for name in REQUIRED:
            if name not in columns:
                wrong[:] = True
            elif columns[name].null_count():
                wrong |= columns[name].is_null().to_numpy()
            if name in columns and columns[name].dtype == pl.String and (columns[name] == "").any():
                wrong |= (columns[name] == "").fill_null(True).to_numpy()
        if "feed" in columns:
            wrong |= self._by_feed(columns)
        if job.receipt_ms is not None and "time" in columns:
            ahead = columns["time"] > job.receipt_ms + MAX_AHEAD_MS
            if ahead.any():
                wrong |= ahead.fill_null(False).to_numpy()
        self._note(hint, plan, read)
        if wrong.any():
            self._one_by_one(lines.take(wrong), job)
            right = pl.Series(~wrong)
            columns = {name: column.filter(right) for name, column in columns.items()}
            lines = lines.take(~wrong)
        if len(lines):
            job.parts.append(_Part(columns, lines))
        return True

    def _by_form(self, name: str, integers: Bools, lines: Lines, job: _Job, hint: _Hint, plan: _Plan) -> bool:
        """Reads again, with a time column's texts and integers apart: texts of digits must not pass for integers."""
        if integers.sum() == len(lines) or name != "time":
            return self._at_once(lines, job, hint, plan.numeric | {name})
        self._regular(lines.take(integers), job, hint)
        self._regular(lines.take(~integers), job, hint)
        return True

    def _by_feed(self, columns: dict[str, pl.Series]) -> Bools:
        """Takes out of the columns what its feed does not declare. Returns the rows of feeds that cannot be read like this."""
        feed = columns["feed"]
        wrong = np.zeros(len(feed), np.bool_)
        alike = not feed.null_count() and (feed == feed[0]).all()
        present = {feed[0]} if alike else set(feed.drop_nulls().unique())
        unread = present - (self.catalog.feeds.keys() - self._retyped)
        if unread:
            wrong |= feed.is_in(list(unread)).fill_null(False).to_numpy()
            present -= unread
        masks: dict[frozenset[str], pl.Series] = {}
        for name in columns.keys() & self._declared.keys():
            foreign = frozenset(present - self._declared[name])
            if not foreign:
                continue
            if len(foreign) == len(present):
                del columns[name]
                continue
            if foreign not in masks:
                masks[foreign] = feed.is_in(list(foreign)).fill_null(True)
            column = columns[name]
            if (column.is_not_null() & masks[foreign]).any():
                columns[name] = self._null(column.dtype, len(column)).zip_with(masks[foreign], column).alias(name)
        return wrong

    # ----------------------------------------------------------------- hints

    def _learn(self, lines: Lines, hint: _Hint) -> bool:
        """Looks into some lines for what a batch read should ask for. True where there is more than was known."""
        found: dict[str, pl.DataType] = {}
        for row in range(0, len(lines), max(1, len(lines) // _SAMPLE)):
            try:
                event = msgspec.json.decode(lines[row])
            except (msgspec.MsgspecError, ValueError, RecursionError):
                continue
            if isinstance(event, dict):
                for name, value in event.items():
                    if name in self._plain:
                        found[name] = self._kinds[name]
                    elif not isinstance(value, (dict, list)) and (value is not None or name not in found):
                        found[name] = _EXTRA.get(type(value), pl.String())
        with self._lock:
            columns = dict(hint.plan.columns)
            room = _MAX_EXTRAS - sum(name not in self._plain for name in columns)
            for name, kind in found.items():
                if name not in columns and name not in self._plain:
                    room -= 1
                    if room < 0:
                        continue
                columns[name] = kind
                hint.used[name] = hint.round
            if columns == hint.plan.columns:
                return False
            hint.plan = _Plan(columns, hint.plan.numeric)
            return True

    def _note(self, hint: _Hint, plan: _Plan, read: Mapping[str, pl.Series]) -> None:
        """Remembers what a batch held; what was empty for long is no longer asked for."""
        with self._lock:
            hint.round += 1
            hint.used.update(dict.fromkeys(read, hint.round))
            oldest = hint.round - _ROUNDS
            unused = [name for name in hint.plan.columns if name not in _USUAL and hint.used.get(name, 0) < oldest]
            for name in unused:
                hint.used.pop(name, None)
            if unused or plan.numeric != hint.plan.numeric:
                columns = {name: kind for name, kind in hint.plan.columns.items() if name not in unused}
                hint.plan = _Plan(columns, plan.numeric)

    # ---------------------------------------------------------------- frames

    def _in_order(self, parts: Sequence[_Part]) -> _Part:
        """The parts of one piece as one, in order of the lines."""
        if len(parts) == 1:
            return parts[0]
        columns = self._concatenated(parts)
        first = parts[0].lines
        starts = np.concatenate([part.lines.starts for part in parts])
        order = np.argsort(starts, kind="stable")
        ends = np.concatenate([part.lines.ends for part in parts])[order]
        numbers = np.concatenate([part.lines.numbers for part in parts])[order]
        columns = {name: column.gather(order) for name, column in columns.items()}
        return _Part(columns, Lines(first.data, starts[order], ends, numbers))

    def _concatenated(self, parts: Sequence[_Part]) -> Mapping[str, pl.Series]:
        if len(parts) == 1:
            return parts[0].columns
        return {
            name: pl.concat(
                [
                    part.columns[name]
                    if name in part.columns
                    else self._null(self._schema[name], len(part.lines)).alias(name)
                    for part in parts
                ]
            )
            for name in dict.fromkeys(name for part in parts for name in part.columns)
        }

    def _filled(self, columns: Mapping[str, pl.Series], height: int) -> pl.DataFrame:
        """A frame of the whole schema. Columns of nulls share their memory."""
        blank = self._blank
        if len(blank) < height:
            rows = max(1024, 2 * height)
            blank = self._blank = pl.DataFrame(
                [self._null(kind, rows).alias(name) for name, kind in self._schema.items()]
            )
        # One slice of the whole, not one a column: most bodies are a few lines, and there are a hundred columns.
        frame = blank.head(height)
        for place, name in enumerate(self._schema):
            if name in columns:
                frame.replace_column(place, columns[name].rechunk())
        return frame

    def _null(self, kind: pl.DataType, height: int) -> pl.Series:
        nulls = self._nulls.get(kind)
        if nulls is None or len(nulls) < height:
            nulls = self._nulls[kind] = pl.repeat(None, max(1024, 2 * height), dtype=kind, eager=True)
        return nulls[:height]


def _pieces(data: bytes) -> Iterator[bytes]:
    """Cuts at newlines only; a line longer than a piece stays whole."""
    begin = 0
    while begin < len(data):
        if len(data) - begin <= _PIECE_BYTES:
            end = len(data)
        else:
            end = data.rfind(b"\n", begin, begin + _PIECE_BYTES) + 1 or data.find(b"\n", begin) + 1 or len(data)
        yield data[begin:end]
        begin = end


def _schema(plan: _Plan) -> dict[str, pl.DataType]:
    return {name: pl.Int64() if name in plan.numeric else kind for name, kind in plan.columns.items()}


def _read(text: bytes, plan: _Plan) -> pl.DataFrame | None:
    """None where a line is no object or a value does not fit its column."""
    try:
        return pl.read_ndjson(io.BytesIO(text), schema=_schema(plan))
    except pl.exceptions.PolarsError:
        return None


def _once_each(text: bytes, plan: _Plan, census: Census) -> bool:
    """Whether every field, the nulls too, is there once in its line and asked for by the plan."""
    # A zero fits wherever the rest of a column is no boolean, and where that is text it passes for text.
    schema = {name: pl.String() if kind == pl.Boolean else kind for name, kind in _schema(plan).items()}
    filled = text.replace(b'":null', b'":0')
    if len(text) - len(filled) < 3 * census.nulls:
        filled = filled.replace(b'": null', b'": 0')
    try:
        frame = pl.read_ndjson(io.BytesIO(filled), schema=schema)
    except pl.exceptions.PolarsError:
        return False
    return sum(frame.height - column.null_count() for column in frame) == census.names


def _instants(column: pl.Series) -> tuple[pl.Series, Bools]:
    """Times in epoch ms, null where there is none or none that can be read; and where there are integers."""
    texts = column.drop_nulls()
    ms, known = parse_column(texts)
    if len(texts) == len(column) and known.all():
        return pl.Series(column.name, ms), np.zeros(len(column), np.bool_)
    there = column.is_not_null().to_numpy()
    values, valid = np.zeros(len(column), np.int64), np.zeros(len(column), np.bool_)
    values[there], valid[there] = ms, known
    integers = np.zeros(len(column), np.bool_)
    if not known.all():
        integers[there & ~valid] = texts.filter(pl.Series(~known)).str.contains(_INTEGER).to_numpy()
    result = pl.DataFrame({"ms": values, "valid": valid}).select(pl.when("valid").then("ms").alias(column.name))
    return result.to_series(), integers
