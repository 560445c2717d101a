"""Faults of one file with their places, and the checks that every mapping in it is put through."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass, field

from rules.errors import RuleError, did_you_mean
from rules.yaml_source import Mapping, Node, Scalar


@dataclass(frozen=True)
class Faults:
    """What is wrong in ``file``, as it is found."""

    file: str
    errors: list[RuleError] = field(default_factory=list)

    def at(self, node: Node, message: str, hint: str = "") -> None:
        self.errors.append(RuleError(self.file, node.line, node.column, message, hint))

    def keys(self, node: Mapping, known: Collection[str], what: str) -> dict[str, tuple[Scalar, Node]]:
        """The mapping's entries; a fault for each key that ``what`` does not have."""
        for key, value in node:
            if key.text in known:
                continue
            cut = node.flow and isinstance(value, Scalar) and value.is_null
            near = "a text with a comma must stand in quotes here" if cut else did_you_mean(key.text, known)
            self.at(key, f"unknown key {key.text[:40]!r}", near or f"{what} has {', '.join(known)}")
        return {key.text: (key, value) for key, value in node}

    def text(self, node: Node, name: str, hint: str = "") -> str | None:
        """A scalar's text that is not empty; else None and a fault."""
        if isinstance(node, Scalar) and not node.is_null and node.text.strip():
            return node.text.strip()
        self.at(node, f"{name} is empty" if isinstance(node, Scalar) else f"{name} must be a single value", hint)
        return None
