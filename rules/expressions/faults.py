"""What is wrong with an expression: every fault with the character it stands at."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NoReturn


@dataclass(frozen=True)
class Fault:
    """One fault in an expression. ``offset`` is the character it stands at."""

    offset: int
    message: str
    hint: str = ""


class ExpressionErrors(Exception):
    """An expression that does not hold up; every fault that could be found in one go."""

    def __init__(self, faults: Sequence[Fault]) -> None:
        self.faults = tuple(faults)
        super().__init__("; ".join(fault.message for fault in faults))


def fail(offset: int, message: str, hint: str = "") -> NoReturn:
    raise ExpressionErrors([Fault(offset, message, hint)])
