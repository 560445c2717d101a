"""Faults of one file with their places, and the checks that every mapping in it is put through."""

from __future__ import annotations

from collections.abc import Collection
from collections.abc import Mapping as Mapped
from dataclasses import dataclass, field

from fengsui.workbench.moments import FORMS, Timeline
from rules.errors import RuleError, did_you_mean
from rules.yaml_source import Mapping, Node, Scalar

#: The entries of a mapping by their names.
Keys = Mapped[str, tuple[Scalar, Node]]


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

    def moment_of(self, node: Node, name: str, timeline: Timeline) -> int | None:
        """A scalar's moment; else None and a fault."""
        text = self.text(node, name, FORMS)
        return None if text is None else self.moment(text, node, name, timeline)

    def moment(self, text: str, node: Node, name: str, timeline: Timeline) -> int | None:
        """A text's moment, which stands at ``node``, if it is one and not before the start; else None and a fault."""
        try:
            ms = timeline.moment(text)
        except ValueError as error:
            self.at(node, f"{name}: {error}", FORMS)
            return None
        if ms < timeline.start_ms:
            self.at(node, f"{name}: {text[:40]!r} is before the start of the test", "say an earlier start")
            return None
        return ms
