"""YAML with positions: a small composer over the parser's events, bounded in size, depth and aliases.

Scalars keep the text as written, so that ``0531`` stays a code and ``no`` stays a word: what a scalar means is decided by the
key it stands under, not by guesswork of YAML.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any, NoReturn

import yaml

from rules.errors import RuleError, RuleErrors

MAX_FILE_BYTES = 1_000_000
MAX_DEPTH = 20
#: Values in one file, with every alias counted as what it stands for.
MAX_NODES = 50_000

_Loader = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
_SURROGATE = re.compile("[\ud800-\udfff]")
_INTEGER = re.compile(r"[-+]?\d{1,18}")
_NUMBER = re.compile(r"[-+]?(\d{1,18}(\.\d*)?|\.\d+)([eE][-+]?\d{1,3})?")


@dataclass(frozen=True)
class Scalar:
    """A scalar as written. ``style`` is the YAML style: empty for plain, a quote, ``|`` or ``>``."""

    text: str
    style: str
    line: int
    column: int
    #: what the scalar looks like in the file, for finding a place inside it
    raw: str = field(repr=False, default="")
    file: str = field(repr=False, default="")

    @property
    def plain(self) -> bool:
        return self.style == ""

    @property
    def is_null(self) -> bool:
        return self.plain and self.text in ("", "~", "null", "Null", "NULL")

    def boolean(self) -> bool | None:
        """True or false where the scalar is a YAML 1.2 boolean, else None."""
        if self.plain and self.text in ("true", "True", "TRUE"):
            return True
        return False if self.plain and self.text in ("false", "False", "FALSE") else None

    def number(self) -> int | float | None:
        """The number, where the scalar is a plain finite one."""
        if not self.plain:
            return None
        if _INTEGER.fullmatch(self.text):
            return int(self.text)
        return float(self.text) if _NUMBER.fullmatch(self.text) and abs(float(self.text)) < 1e308 else None

    def place_of(self, offset: int) -> tuple[int, int]:
        """Line and column of the character at ``offset`` of the text: exact unless the scalar has escapes or is folded."""
        if self.style in ("'", '"') and self.raw[1 : 1 + len(self.text)] == self.text:
            return self.line, self.column + 1 + offset
        if self.plain and self.raw == self.text:
            return self.line, self.column + offset
        found = _find_loosely(self.raw, self.text, offset)
        before = self.raw[:found]
        line = before.count("\n")
        column = len(before) - (before.rfind("\n") + 1)
        return self.line + line, column + 1 if line else self.column + column


@dataclass(frozen=True)
class Sequence:
    items: tuple[Node, ...]
    line: int
    column: int
    file: str = field(repr=False, default="")


@dataclass(frozen=True)
class Mapping:
    entries: tuple[tuple[Scalar, Node], ...]
    line: int
    column: int
    flow: bool = False
    file: str = field(repr=False, default="")

    def __iter__(self) -> Iterator[tuple[Scalar, Node]]:
        return iter(self.entries)

    def get(self, name: str) -> Node | None:
        for key, value in self.entries:
            if key.text == name:
                return value
        return None


Node = Scalar | Sequence | Mapping


def parse_yaml(text: str, file: str, faults: list[RuleError]) -> Node | None:
    """The file's one document, or None where it is empty. RuleErrors names the place of what YAML does not allow.

    ``faults`` takes what does not keep the rest from being read and judged: keys that stand twice.
    """
    if len(text.encode("utf-8", "surrogatepass")) > MAX_FILE_BYTES:
        raise RuleErrors([RuleError(file, 1, 1, f"the file is larger than {MAX_FILE_BYTES:,} bytes", "split it")])
    lone = _SURROGATE.search(text)
    if lone:
        line, column = _place(text, lone.start())
        raise RuleErrors([RuleError(file, line, column, "half of a character (a surrogate)")])
    composer = _Composer(text, file)
    try:
        node = composer.document()
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        line, column = (mark.line + 1, mark.column + 1) if mark else (1, 1)
        message = error.problem or error.context or "not YAML"
        raise RuleErrors(
            [*composer.errors, RuleError(file, line, column, f"not YAML: {message}", _yaml_hint(message))]
        ) from None
    except yaml.reader.ReaderError as error:
        line, column = _place(text, error.position)
        raise RuleErrors([RuleError(file, line, column, "a character that YAML does not allow")]) from None
    faults += composer.errors
    return node


def _place(text: str, offset: int) -> tuple[int, int]:
    """Line and column of a character, from 1."""
    before = text[:offset]
    return before.count("\n") + 1, len(before) - before.rfind("\n")


class _Composer:
    """Builds nodes from parser events. Recursion is bounded by MAX_DEPTH; an alias costs what it stands for."""

    def __init__(self, text: str, file: str) -> None:
        self.text = text
        self.file = file
        self.errors: list[RuleError] = []
        self._loader = _Loader(text)
        self._anchors: dict[str, tuple[Node, int]] = {}
        self._open: set[str] = set()
        self._nodes = 0

    def document(self) -> Node | None:
        try:
            self._loader.get_event()  # stream start
            if self._loader.check_event(yaml.StreamEndEvent):
                return None
            self._loader.get_event()  # document start
            node = self._node(0)
            self._loader.get_event()  # document end
            if not self._loader.check_event(yaml.StreamEndEvent):
                self._stop(
                    self._loader.peek_event(), "a second YAML document in one file", "put it into a file of its own"
                )
            return node
        finally:
            self._loader.dispose()

    def _node(self, depth: int) -> Node:
        event: Any = self._loader.get_event()
        if depth > MAX_DEPTH:
            self._stop(event, f"nested deeper than {MAX_DEPTH} levels")
        line, column = event.start_mark.line + 1, event.start_mark.column + 1
        begin, end = event.start_mark.index, event.end_mark.index
        if isinstance(event, yaml.AliasEvent):
            return self._alias(event)
        started = self._nodes
        self._count(event, 1)
        anchor = event.anchor
        if anchor is not None:
            self._open.add(anchor)
        node: Node
        if isinstance(event, yaml.ScalarEvent):
            style = event.style if event.style in ("'", '"', "|", ">") else ""
            raw = self.text[begin:end]
            node = Scalar(event.value, style, line, column, raw, self.file)
        elif isinstance(event, yaml.SequenceStartEvent):
            items: list[Node] = []
            while not self._loader.check_event(yaml.SequenceEndEvent):
                items.append(self._node(depth + 1))
            self._loader.get_event()
            node = Sequence(tuple(items), line, column, self.file)
        else:
            node = self._mapping(depth, line, column, flow=bool(event.flow_style))
        if anchor is not None:
            self._open.discard(anchor)
            self._anchors[anchor] = (node, self._nodes - started)
        return node

    def _mapping(self, depth: int, line: int, column: int, *, flow: bool) -> Mapping:
        entries: list[tuple[Scalar, Node]] = []
        seen: dict[str, Scalar] = {}
        while not self._loader.check_event(yaml.MappingEndEvent):
            event = self._loader.peek_event()
            key = self._node(depth + 1)
            value = self._node(depth + 1)
            if not isinstance(key, Scalar):
                self._stop(event, "a key must be a word")
            if key.text in seen:
                first = seen[key.text]
                self.errors.append(
                    RuleError(
                        self.file,
                        key.line,
                        key.column,
                        f"the key {key.text[:40]!r} stands twice",
                        f"first in line {first.line}",
                    )
                )
                continue
            seen[key.text] = key
            entries.append((key, value))
        self._loader.get_event()
        return Mapping(tuple(entries), line, column, flow, self.file)

    def _alias(self, event: Any) -> Node:
        if event.anchor in self._open:
            self._stop(event, f"the alias *{event.anchor} stands for something that holds it")
        if event.anchor not in self._anchors:
            self._stop(event, f"the alias *{event.anchor} has no anchor before it")
        node, size = self._anchors[event.anchor]
        self._count(event, size)
        return node

    def _count(self, event: Any, size: int) -> None:
        self._nodes += size
        if self._nodes > MAX_NODES:
            self._stop(event, f"more than {MAX_NODES:,} values in one file, aliases counted as what they stand for")

    def _stop(self, event: Any, message: str, hint: str = "") -> NoReturn:
        mark = event.start_mark
        self.errors.append(RuleError(self.file, mark.line + 1, mark.column + 1, message, hint))
        raise RuleErrors(self.errors)


_ESCAPE_DIGITS = {"x": 2, "u": 4, "U": 8}
_ESCAPED_SPACE = "tnrve \t\n_NLP"


def _find_loosely(raw: str, text: str, offset: int) -> int:
    """Where the character ``text[offset]`` stands in ``raw``: both are walked by what is no white space, which folding changes."""
    quote = raw[:1] if raw[:1] in ("'", '"') else ""
    position = raw.find("\n") + 1 if raw[:1] in ("|", ">") else len(quote)
    for character in text[:offset]:
        if not character.isspace():
            position = _after(raw, _skip_space(raw, position, quote), quote)
    return min(_skip_space(raw, position, quote), len(raw))


def _skip_space(raw: str, position: int, quote: str) -> int:
    while position < len(raw):
        if raw[position].isspace():
            position += 1
        elif quote == '"' and raw[position] == "\\" and raw[position + 1 : position + 2] in _ESCAPED_SPACE:
            position += 2
        else:
            break
    return position


def _after(raw: str, position: int, quote: str) -> int:
    """Behind the one character, escaped or not, at ``position``."""
    if quote == '"' and raw[position : position + 1] == "\\":
        return position + 2 + _ESCAPE_DIGITS.get(raw[position + 1 : position + 2], 0)
    return position + (2 if quote == "'" and raw[position : position + 2] == "''" else 1)


def _yaml_hint(message: str) -> str:
    if "tab" in message or "'\\t'" in message:
        return "YAML is indented with spaces"
    if "mapping values are not allowed" in message:
        return "a text with ': ' in it must be quoted"
    if "',' or '" in message:
        return "within {...} and [...] an expression with a comma or ${...} must stand in quotes"
    if "did not find expected" in message or "could not find expected" in message:
        return "look for a missing quote, bracket or indentation; a text that begins with a quote or { must be quoted as a whole"
    return ""
