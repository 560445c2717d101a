"""The names that an expression may use."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from rules.model import Type
from rules.tables import Tables


@dataclass(frozen=True)
class Scope:
    """The names an expression may use: their types, the columns they stand in, and what to call them in an error."""

    types: Mapping[str, Type]
    what: str
    #: what is said of a name that is not among them
    lacks: str = "has no such field"
    columns: Mapping[str, str] = field(default_factory=dict)
    #: names that are known but not allowed here, each with the reason
    barred: Mapping[str, str] = field(default_factory=dict)

    #: files that list and lookup may read
    tables: Tables | None = None

    def column(self, name: str) -> str:
        return self.columns.get(name, name)
