"""A case: rule sets and a stream, as files and NDJSON and as the reference's values."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from tests.reference.rule import RefFeed, RefRule


@dataclass(frozen=True)
class RuleFiles:
    """A rule set. ``tables``: its CSV files as rows."""

    files: Mapping[str, str]
    rules: list[RefRule]
    tables: Mapping[str, list[Mapping[str, Any]]] = field(default_factory=dict)


@dataclass(frozen=True)
class Case:
    """``ops``: ("event", event), ("tick", at), ("act", verb, pick, at), ("rules", at, number of the set) and perhaps
    ("end", at or None) at last. A live log begins with an activation; without it the first set is in force from the beginning,
    as in a replay.

    An act names the alert by a number, as which alerts there are shows only when the reference runs.
    """

    feeds: Mapping[str, RefFeed]
    sets: list[RuleFiles]
    ops: list[tuple[Any, ...]]

    @property
    def live(self) -> bool:
        return bool(self.ops) and self.ops[0][0] == "rules"

    def __repr__(self) -> str:
        ops = [line(op[1]).decode() + _receipt(op[1]) if op[0] == "event" else repr(op) for op in self.ops]
        files: list[str] = []
        shown: dict[str, str] = {}
        for number, one in enumerate(self.sets):
            files += [f"# set {number}, {name}\n{text}" for name, text in one.files.items() if shown.get(name) != text]
            shown |= one.files
        return "\n".join(["Case:", *files, *ops])

    def _repr_pretty_(self, printer: Any, _cycle: bool) -> None:
        """How hypothesis shows it: as files, not as fields."""
        printer.text(repr(self))


def line(event: Mapping[str, Any]) -> bytes:
    """An event as it is posted: whole numbers without a point. The receipt is the log's."""
    plain = {
        name: int(v) if isinstance(v, float) and v.is_integer() else v for name, v in event.items() if name != "receipt"
    }
    return json.dumps(plain, ensure_ascii=False).encode()


def _receipt(event: Mapping[str, Any]) -> str:
    return f" received {event['receipt']}" if "receipt" in event else ""
