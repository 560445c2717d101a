"""The feed catalogue: which feeds there are, what their fields are called and typed, and how long they are kept."""

from __future__ import annotations

import difflib
import functools
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from importlib import resources
from pathlib import Path
from typing import Literal, NoReturn, Protocol, cast, get_args

import polars as pl
import yaml

from events.event import ENVELOPE
from events.times import format_duration, parse_duration

FieldType = Literal["string", "number", "integer", "boolean", "time"]
FIELD_TYPES: tuple[FieldType, ...] = get_args(FieldType)
#: What a type becomes in a frame; times are epoch milliseconds.
PHYSICAL: dict[str, pl.DataType] = {
    "string": pl.String(),
    "number": pl.Float64(),
    "integer": pl.Int64(),
    "boolean": pl.Boolean(),
    "time": pl.Int64(),
}

FILE_NAME = "feeds.yaml"
MAX_TEXT_BYTES = 1_000_000
MAX_NESTING = 16
MAX_FEEDS = 1_000
MAX_FIELDS = 300
#: Over all feeds. Every one is a column of every frame.
MAX_FIELDS_IN_ALL = 5_000
DEFAULT_IDLE_MS = 60_000
DEFAULT_RETENTION_DAYS = 1_095
#: Transitions are a feed of their own for rules over alerts; no catalogue may declare it, and nobody may send its events.
ALERT_FEED = "alert"
RESERVED_FEEDS = frozenset({ALERT_FEED})
DAY_MS = 86_400_000

_FEED_NAME = re.compile(r"[a-z][a-z0-9_-]{0,63}")
_WORD = re.compile(r"[a-z][a-z0-9-]{0,63}")
_STRING, _BOOL, _NULL = (f"tag:yaml.org,2002:{word}" for word in ("str", "bool", "null"))


@dataclass(frozen=True)
class Field:
    """A typed field of a feed. ``personal``: holds personal data."""

    name: str
    type: FieldType
    title: Mapping[str, str]
    personal: bool = False
    unit: str = ""


@dataclass(frozen=True)
class Feed:
    """A kind of event. ``lateness_ms``: how long the watermark waits; ``idle_ms``: when a silent feed stops holding it back."""

    name: str
    title: Mapping[str, str]
    domain: str
    fields: Mapping[str, Field]
    lateness_ms: int = 0
    idle_ms: int = DEFAULT_IDLE_MS
    retention_days: int = DEFAULT_RETENTION_DAYS


def _alert_feed() -> Feed:
    fields: list[tuple[str, FieldType, str, str]] = [
        ("alert", "string", "预警", "Alert"),
        ("rule", "string", "规则", "Rule"),
        ("domain", "string", "领域", "Domain"),
        ("severity", "string", "级别", "Severity"),
        ("rank", "integer", "级别序（红 4 至蓝 1）", "Rank (red 4 to blue 1)"),
        ("type", "string", "变化", "Transition"),
        ("state", "string", "处置状态", "State"),
        ("condition", "string", "现象", "Condition"),
        ("reason", "string", "原因", "Reason"),
        ("by", "string", "处置人", "Who"),
        ("key", "string", "键", "Key"),
        ("n", "integer", "序次", "Number within the alert"),
        ("count", "integer", "累计次数", "Count"),
        ("shadow", "boolean", "试运行", "Shadow"),
    ]
    titled = {name: Field(name, type_, {"zh": zh, "en": en}) for name, type_, zh, en in fields}
    return Feed(ALERT_FEED, {"zh": "预警变化", "en": "Alert transitions"}, "governance", titled)


#: The feed that rules over alerts read: one event a transition.
ALERTS = _alert_feed()


@dataclass(frozen=True, order=True)
class CatalogFault:
    """One thing that is wrong in a ``feeds.yaml``; lines and columns count from 1."""

    file: str
    line: int
    column: int
    message: str

    def __str__(self) -> str:
        return f"{self.file}:{self.line}:{self.column}: {self.message}"


class CatalogError(ValueError):
    """Everything that is wrong in a ``feeds.yaml``, one line each in ``str()``."""

    def __init__(self, errors: list[CatalogFault]) -> None:
        super().__init__("\n".join(map(str, errors)))
        self.errors = errors


@dataclass(frozen=True)
class FeedCatalog:
    """All feeds by name. ``text``: the directory's own ``feeds.yaml``, None where only the built-in one applies."""

    feeds: Mapping[str, Feed]
    text: str | None = None
    _columns: Mapping[tuple[str, str], str] = field(init=False, repr=False, compare=False)
    _schema: Mapping[str, pl.DataType] = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        """Give each (feed, field) its column: the first type of a name has the name itself, the others ``name@type``."""
        first = dict(ENVELOPE)
        schema = {name: PHYSICAL[kind] for name, kind in ENVELOPE.items()}
        columns: dict[tuple[str, str], str] = {}
        for feed in self.feeds.values():
            for name in ENVELOPE:
                columns[feed.name, name] = name
            for item in feed.fields.values():
                plain = first.setdefault(item.name, item.type) == item.type
                column = item.name if plain else f"{item.name}@{item.type}"
                columns[feed.name, item.name] = column
                schema[column] = PHYSICAL[item.type]
        object.__setattr__(self, "_columns", columns)
        object.__setattr__(self, "_schema", schema)

    @staticmethod
    @functools.cache
    def builtin() -> FeedCatalog:
        """The catalogue that comes with the program."""
        text = resources.files("events").joinpath(FILE_NAME).read_text(encoding="utf-8")
        return FeedCatalog(_Reader(FILE_NAME).read(text))

    @staticmethod
    def parse(text: str, file: str = FILE_NAME) -> FeedCatalog:
        """The built-in catalogue with the feeds of ``text`` added or, by name, replaced. Raises CatalogError."""
        own = _Reader(file).read(text)
        return FeedCatalog({**FeedCatalog.builtin().feeds, **own}, text)

    @staticmethod
    def load(directory: Path | None) -> FeedCatalog:
        """The catalogue of a rules directory: its ``feeds.yaml`` over the built-in one. Raises CatalogError."""
        path = directory / FILE_NAME if directory else None
        if path is None or not path.is_file():
            return FeedCatalog.builtin()
        try:
            text = path.read_text(encoding="utf-8-sig")
        except (OSError, UnicodeDecodeError) as error:
            raise CatalogError([CatalogFault(str(path), 1, 1, f"cannot be read as UTF-8 text: {error}")]) from error
        return FeedCatalog.parse(text, str(path))

    @property
    def readable(self) -> tuple[str, ...]:
        """Every feed that a rule may read: those of the catalogue, and the alerts."""
        return (*self.feeds, ALERT_FEED)

    def feed(self, name: str) -> Feed:
        """A feed that a rule may read. KeyError where there is none of the name."""
        return ALERTS if name == ALERT_FEED else self.feeds[name]

    def field_type(self, feed: str, name: str) -> FieldType | None:
        """The type word of a feed's field, the envelope's included; None where the feed does not declare it."""
        if feed not in self.feeds and feed != ALERT_FEED:
            return None
        if name in ENVELOPE:
            return cast(FieldType, ENVELOPE[name])
        declared = self.feed(feed).fields.get(name)
        return declared.type if declared else None

    def field_names(self, feed: str) -> tuple[str, ...]:
        """Every field that expressions over a feed may name: the envelope's and its own."""
        return tuple(dict.fromkeys([*ENVELOPE, *self.feed(feed).fields]))

    def column(self, feed: str, name: str) -> str:
        """The frame's column that holds a feed's field. KeyError where the feed does not declare it."""
        return name if feed == ALERT_FEED else self._columns[feed, name]

    def schema(self) -> dict[str, pl.DataType]:
        """The columns of every frame: the envelope and all declared fields, with their physical types."""
        return dict(self._schema)

    def personal(self, feed: str) -> frozenset[str]:
        """The fields of a feed that hold personal data."""
        return frozenset(item.name for item in self.feeds[feed].fields.values() if item.personal)


class _Mark(Protocol):
    """A place in a YAML text, counted from 0; PyYAML has two unrelated classes of it."""

    @property
    def line(self) -> int: ...
    @property
    def column(self) -> int: ...


class _Reader:
    """Reads one ``feeds.yaml``, gathering every fault with its place."""

    def __init__(self, file: str) -> None:
        self.file = file
        self.faults: list[CatalogFault] = []

    def read(self, text: str) -> dict[str, Feed]:
        feeds = self._feeds(self._compose(text))
        total = sum(len(feed.fields) for feed in feeds.values())
        if total > MAX_FIELDS_IN_ALL:
            self._say(None, f"{total} fields in all; at most {MAX_FIELDS_IN_ALL} are possible")
        if self.faults:
            raise CatalogError(sorted(self.faults))
        return feeds

    # ------------------------------------------------------------------ YAML

    def _compose(self, text: str) -> yaml.Node | None:
        if len(text.encode("utf-8", "replace")) > MAX_TEXT_BYTES:
            self._stop(None, f"larger than {MAX_TEXT_BYTES} bytes")
        try:
            # The event stream is flat: nesting is bounded before the recursive composer sees it.
            depth = 0
            for event in yaml.parse(text, Loader=yaml.CSafeLoader):
                depth += isinstance(event, yaml.CollectionStartEvent) - isinstance(event, yaml.CollectionEndEvent)
                if depth > MAX_NESTING:
                    self._stop(event.start_mark, f"nested deeper than {MAX_NESTING}")
            return yaml.compose(text, Loader=yaml.CSafeLoader)
        except yaml.MarkedYAMLError as error:
            problem = " ".join(filter(None, [error.context, error.problem])) or "not YAML"
            self._stop(error.problem_mark or error.context_mark, f"not YAML: {problem}")
        except yaml.YAMLError as error:
            self._stop(None, f"not YAML: {' '.join(str(error).split())}")

    def _say(self, where: yaml.Node | _Mark | None, message: str) -> None:
        mark = where.start_mark if isinstance(where, yaml.Node) else where
        line, column = (mark.line + 1, mark.column + 1) if mark else (1, 1)
        self.faults.append(CatalogFault(self.file, line, column, message))

    def _stop(self, where: yaml.Node | _Mark | None, message: str) -> NoReturn:
        self._say(where, message)
        raise CatalogError(self.faults)

    def _items(
        self, node: yaml.Node, what: str, allowed: tuple[str, ...] = ()
    ) -> Iterator[tuple[str, yaml.Node, yaml.Node]]:
        """(key, key node, value node) of a mapping, saying what is no mapping, no string, twice there, or not allowed."""
        if not isinstance(node, yaml.MappingNode):
            self._say(node, f"{what} must be a mapping")
            return
        seen: set[str] = set()
        for key_node, value in node.value:
            if not isinstance(key_node, yaml.ScalarNode) or key_node.tag != _STRING:
                self._say(key_node, f"a name in {what} must be a string; put it in quotes")
            elif key_node.value in seen:
                self._say(key_node, f"{key_node.value!r} is there twice in {what}")
            elif allowed and key_node.value not in allowed:
                self._say(key_node, f"unknown key {key_node.value!r} in {what}{_hint(key_node.value, allowed)}")
            else:
                seen.add(key_node.value)
                yield key_node.value, key_node, value

    def _string(self, node: yaml.Node, what: str) -> str | None:
        if isinstance(node, yaml.ScalarNode) and node.tag == _STRING and node.value.strip():
            return str(node.value).strip()
        self._say(node, f"{what} must be text" + ("; put it in quotes" if isinstance(node, yaml.ScalarNode) else ""))
        return None

    def _word(self, node: yaml.Node, what: str, pattern: re.Pattern[str]) -> str | None:
        text = self._string(node, what)
        if text is not None and not pattern.fullmatch(text):
            self._say(node, f"{what} must match {pattern.pattern}: {text[:40]!r}")
            return None
        return text

    def _duration_ms(self, node: yaml.Node, what: str, *, least_ms: int, most_ms: int) -> int:
        try:
            ms = parse_duration(str(node.value) if isinstance(node, yaml.ScalarNode) else "")
        except (ValueError, OverflowError):
            self._say(node, f"{what} must be a duration such as 30s, 5m, 1h or 1d")
            return least_ms
        if not least_ms <= ms <= most_ms:
            self._say(node, f"{what} must lie between {format_duration(least_ms)} and {format_duration(most_ms)}")
            return least_ms
        return ms

    def _title(self, node: yaml.Node, what: str) -> dict[str, str]:
        """``{zh: ..., en: ...}`` or one text for both."""
        if isinstance(node, yaml.ScalarNode):
            text = self._string(node, what) or ""
            return {"zh": text, "en": text}
        given = {key: self._string(value, what) or "" for key, _, value in self._items(node, what, ("zh", "en"))}
        for language in ("zh", "en"):
            if language not in given and isinstance(node, yaml.MappingNode):
                self._say(node, f"{what} has no {language!r}")
        return {"zh": given.get("zh", ""), "en": given.get("en", "")}

    # ----------------------------------------------------------------- feeds

    def _feeds(self, root: yaml.Node | None) -> dict[str, Feed]:
        feeds: dict[str, Feed] = {}
        for _, _, block in self._items(root, "the file", ("feeds",)) if root else ():
            if isinstance(block, yaml.ScalarNode) and block.tag == _NULL:
                continue
            for name, key_node, node in self._items(block, "feeds"):
                if len(feeds) >= MAX_FEEDS:
                    self._stop(key_node, f"more than {MAX_FEEDS} feeds")
                if not _FEED_NAME.fullmatch(name):
                    self._say(key_node, f"a feed's name must match {_FEED_NAME.pattern}: {name[:40]!r}")
                elif name in RESERVED_FEEDS:
                    self._say(key_node, f"{name!r} is the feed of alert transitions and cannot be declared")
                else:
                    feeds[name] = self._feed(name, node)
        return feeds

    def _feed(self, name: str, node: yaml.Node) -> Feed:
        what = f"feed {name!r}"
        title = {"zh": name, "en": name}
        domain = ""
        fields: dict[str, Field] = {}
        # Stations report through gateways that reorder by seconds; what people file arrives when it is filed.
        lateness_ms = 5_000 if name == "sensor" else 0
        idle_ms, retention_days = DEFAULT_IDLE_MS, DEFAULT_RETENTION_DAYS
        allowed = ("title", "domain", "fields", "lateness", "idle", "retention")
        for key, _, value in self._items(node, what, allowed):
            if key == "title":
                title = self._title(value, f"the title of {what}")
            elif key == "domain":
                domain = self._word(value, f"the domain of {what}", _WORD) or ""
            elif key == "fields":
                fields = self._fields(name, value)
            elif key == "lateness":
                lateness_ms = self._duration_ms(value, f"lateness of {what}", least_ms=0, most_ms=30 * DAY_MS)
            elif key == "idle":
                idle_ms = self._duration_ms(value, f"idle of {what}", least_ms=1_000, most_ms=365 * DAY_MS)
            else:
                kept_ms = self._duration_ms(value, f"retention of {what}", least_ms=DAY_MS, most_ms=36_500 * DAY_MS)
                retention_days = -(-kept_ms // DAY_MS)
        if isinstance(node, yaml.MappingNode) and not any(key.value == "domain" for key, _ in node.value):
            self._say(node, f"{what} has no domain; write for example domain: environment")
        return Feed(name, title, domain, fields, lateness_ms, idle_ms, retention_days)

    def _fields(self, feed: str, node: yaml.Node) -> dict[str, Field]:
        fields: dict[str, Field] = {}
        for name, key_node, value in self._items(node, f"fields of feed {feed!r}"):
            if len(fields) >= MAX_FIELDS:
                self._stop(key_node, f"more than {MAX_FIELDS} fields in feed {feed!r}")
            if not name.isidentifier() or len(name) > 64 or name.startswith("__"):
                self._say(key_node, f"a field's name must be letters, digits and _, at most 64: {name[:70]!r}")
                continue
            declared = self._field(feed, name, value)
            if declared:
                fields[name] = declared
        return fields

    def _field(self, feed: str, name: str, node: yaml.Node) -> Field | None:
        what = f"field {name!r} of feed {feed!r}"
        # The short form: ``value: number``.
        if isinstance(node, yaml.ScalarNode):
            kind = self._type(node, name, what)
            return Field(name, kind, {"zh": name, "en": name}) if kind else None
        kind, title, personal, unit = None, {"zh": name, "en": name}, False, ""
        typed = False
        for key, _, value in self._items(node, what, ("type", "title", "personal", "unit")):
            if key == "type":
                kind, typed = self._type(value, name, what), True
            elif key == "title":
                title = self._title(value, f"the title of {what}")
            elif key == "unit":
                unit = self._string(value, f"the unit of {what}") or ""
            elif isinstance(value, yaml.ScalarNode) and value.tag == _BOOL:
                personal = value.value.lower() in ("true", "yes", "on")
            else:
                self._say(value, f"personal of {what} must be true or false")
        if not typed and name in ENVELOPE:
            kind = cast(FieldType, ENVELOPE[name])
        elif not typed and isinstance(node, yaml.MappingNode):
            self._say(node, f"{what} has no type: {', '.join(FIELD_TYPES)}")
        return Field(name, kind, title, personal, unit) if kind else None

    def _type(self, node: yaml.Node, name: str, what: str) -> FieldType | None:
        word = str(node.value) if isinstance(node, yaml.ScalarNode) else ""
        if word not in FIELD_TYPES:
            self._say(node, f"{what} has an unknown type {word[:40]!r}{_hint(word, FIELD_TYPES)}")
            return None
        if name in ENVELOPE and ENVELOPE[name] != word:
            self._say(node, f"{name!r} is a field of every event and always a {ENVELOPE[name]}")
            return None
        return word


def _hint(word: str, known: tuple[str, ...]) -> str:
    near = difflib.get_close_matches(word, known, n=1)
    return f"; did you mean {near[0]!r}?" if near else f"; known are {', '.join(known)}"
