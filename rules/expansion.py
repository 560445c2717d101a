"""``${name}`` in the scalars of a rule: replaced node by node, so that a fault keeps its place."""

from __future__ import annotations

import re
from collections.abc import Mapping as Names
from dataclasses import dataclass, replace
from typing import Final

from rules.errors import did_you_mean
from rules.reader.reading import Report
from rules.yaml_source import Mapping, Node, Scalar, Sequence

MAX_TEXT_CHARS: Final = 20_000
NAME: Final = re.compile(r"[^\W\d]\w{0,63}")
#: ``${name}``, and ``$${`` for those characters as they stand.
_REFERENCE: Final = re.compile(r"\$(\$\{)|\$\{([^{}]*)\}?")


def named(text: str) -> list[str]:
    """The names that a text asks for.

    >>> named("value > ${limit} AND unit = '$${x}'")
    ['limit']
    """
    return [match[2].strip() for match in _REFERENCE.finditer(text) if match[2]]


def asks(node: Node) -> bool:
    """Whether a name is to be replaced anywhere in it."""
    match node:
        case Scalar():
            return "${" in node.text
        case Sequence():
            return any(asks(item) for item in node.items)
        case _:
            return any(asks(value) for _, value in node)


def size(node: Node) -> int:
    """Values in it."""
    match node:
        case Scalar():
            return 1
        case Sequence():
            return 1 + sum(size(item) for item in node.items)
        case _:
            return 1 + sum(size(value) for _, value in node)


@dataclass(frozen=True)
class _Piece:
    """A part of an expanded text from ``begin`` on: of the source's text from ``source`` on, or put in for what stands there."""

    begin: int
    source: int
    literal: bool


@dataclass(frozen=True)
class Expanded(Scalar):
    """A scalar with its names replaced. A place within it is that of the source."""

    source: Scalar | None = None
    pieces: tuple[_Piece, ...] = ()

    def place_of(self, offset: int) -> tuple[int, int]:
        assert self.source is not None
        piece = next(piece for piece in reversed(self.pieces) if piece.begin <= offset)
        return self.source.place_of(piece.source + (offset - piece.begin if piece.literal else 0))


class Expander:
    """``names``: what they stand for; None where that is at fault, as was told already. ``used``: those that were asked for."""

    def __init__(self, names: Names[str, Scalar | None], report: Report, *, max_chars: int = MAX_TEXT_CHARS) -> None:
        self.names = names
        self.report = report
        self.used: set[str] = set()
        self._max_chars = max_chars

    def node(self, node: Node) -> Node:
        """The node itself where nothing in it is to be replaced."""
        match node:
            case Scalar():
                return self.scalar(node)
            case Sequence():
                items = tuple(self.node(item) for item in node.items)
                same = all(new is old for new, old in zip(items, node.items, strict=True))
                return node if same else replace(node, items=items)
            case _:
                return self.mapping(node)

    def mapping(self, node: Mapping) -> Mapping:
        """Values only: keys stand for themselves."""
        entries = tuple((key, self.node(value)) for key, value in node.entries)
        same = all(new is old for (_, new), (_, old) in zip(entries, node.entries, strict=True))
        return node if same else replace(node, entries=entries)

    def scalar(self, node: Scalar) -> Scalar:
        """The scalar itself also where its names are at fault: then nothing else is said of it."""
        made = self.value(node)
        if made is None:
            self.report.settled.add((node.file, node.line, node.column))
        return made or node

    def value(self, node: Scalar) -> Scalar | None:
        """None where its names are at fault."""
        if "${" not in node.text:
            return node
        parts: list[str] = []
        pieces: list[_Piece] = []
        length = end = 0
        faulty = False

        def put(text: str, source: int, *, literal: bool) -> None:
            nonlocal length
            pieces.append(_Piece(length, source, literal))
            parts.append(text)
            length += len(text)

        for match in _REFERENCE.finditer(node.text):
            if match.start() > end:
                put(node.text[end : match.start()], end, literal=True)
            end = match.end()
            if match[1]:
                put(match[1], match.start() + 1, literal=True)
                continue
            value = self._named(node, match)
            if value is None:
                faulty = True
                continue
            if match[0] == node.text.strip():  # 10 stays a number, and "10" a text
                return Expanded(
                    value.text,
                    value.style,
                    node.line,
                    node.column,
                    node.raw,
                    node.file,
                    node,
                    (_Piece(0, match.start(), False),),
                )
            put(value.text, match.start(), literal=False)
        put(node.text[end:], end, literal=True)
        if length > self._max_chars:
            self.report.at(node, f"with its names replaced the text is longer than {self._max_chars:,} characters")
            faulty = True
        if faulty:
            return None
        return Expanded("".join(parts), node.style, node.line, node.column, node.raw, node.file, node, tuple(pieces))

    def _named(self, node: Scalar, match: re.Match[str]) -> Scalar | None:
        """None where the name is at fault."""
        name = (match[2] or "").strip()
        if not match[0].endswith("}") or not NAME.fullmatch(name):
            hint = "write ${name}, and $${ for these characters themselves"
            self.report.inside(node, match.start(), f"{match[0][:40]!r} names no constant", hint)
            return None
        if name not in self.names:
            hint = (
                did_you_mean(name, self.names)
                or "constants stand under constants:, parameters under with: or for_each:"
            )
            self.report.inside(node, match.start(), f"unknown name ${{{name}}}", hint)
            return None
        self.used.add(name)
        return self.names[name]
