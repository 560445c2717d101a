"""What is wrong with rule files: each fault with its place, all of them at once."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from difflib import get_close_matches

#: Reports stop here: a file of the wrong kind would otherwise fill the screen.
MAX_ERRORS = 200


@dataclass(frozen=True, order=True)
class RuleError:
    """One fault. ``line`` and ``column`` count from 1, in characters; 0 means the file as a whole."""

    file: str
    line: int
    column: int
    message: str
    hint: str = ""

    def __str__(self) -> str:
        place = f"{self.file}:{self.line}:{self.column}" if self.line else self.file
        text = f"{place}: {self.message}" if place else self.message
        return f"{text} ({self.hint})" if self.hint else text


class RuleErrors(Exception):
    """The rules cannot be loaded. ``errors`` are in the order of file, line and column; ``str()`` is one line each."""

    def __init__(self, errors: Iterable[RuleError]) -> None:
        ordered = sorted(set(errors))
        self.errors: tuple[RuleError, ...] = tuple(ordered[:MAX_ERRORS])
        self.left_out = max(0, len(ordered) - MAX_ERRORS)
        super().__init__(self.errors)

    def __str__(self) -> str:
        lines = [str(error) for error in self.errors]
        if self.left_out:
            lines.append(f"and {self.left_out} more")
        return "\n".join(lines)


def did_you_mean(word: str, known: Iterable[str]) -> str:
    """A hint naming the nearest known word, or nothing.

    >>> did_you_mean("tumblign", ["tumbling", "sliding"])
    "did you mean 'tumbling'?"
    """
    candidates = {name.casefold(): name for name in known}
    near = get_close_matches(word.casefold(), candidates, n=1, cutoff=0.6)
    return f"did you mean {candidates[near[0]]!r}?" if near else ""
