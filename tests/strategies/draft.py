"""A rule both ways: as the mapping of a rule file and as the reference's values."""

from __future__ import annotations

import functools
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any

from tests.expressions.trees import Tree
from tests.expressions.values import value
from tests.reference.rule import RefRule


@dataclass(frozen=True)
class Draft:
    spec: dict[str, Any]
    rule: RefRule

    def having(self, spec: Mapping[str, Any], **rule: Any) -> Draft:
        return Draft({**self.spec, **spec}, replace(self.rule, **rule))


def condition(tree: Tree | None) -> Callable[[Mapping[str, Any]], bool | None] | None:
    return None if tree is None else functools.partial(value, tree)
