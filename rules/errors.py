"""What is wrong with rule files: each fault with its place, all of them at once."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sized
from dataclasses import dataclass
from difflib import get_close_matches

#: Reports stop here: a file of the wrong kind would otherwise fill the screen.
MAX_ERRORS = 200
#: Known words are not searched for the nearest where there are more of them, or where the word is longer.
_MAX_KNOWN = 2_000
_MAX_WORD_CHARS = 100
#: Of a message and of a hint: a file of one long word has one long word that is not known.
_MAX_CHARS = 500
_UNPRINTABLE = re.compile("[\x00-\x1f\x7f-\x9f\u2028\u2029\u202a-\u202e\u2066-\u2069\ud800-\udfff]")


@dataclass(frozen=True, order=True)
class RuleError:
    """One fault. ``line`` and ``column`` count from 1, in characters; 0 means the file as a whole."""

    file: str
    line: int
    column: int
    message: str
    hint: str = ""

    def __post_init__(self) -> None:
        if max(len(self.message), len(self.hint)) > _MAX_CHARS:
            object.__setattr__(self, "message", _cut(self.message))
            object.__setattr__(self, "hint", _cut(self.hint))

    def __str__(self) -> str:
        place = f"{self.file}:{self.line}:{self.column}" if self.line else self.file
        text = f"{place}: {self.message}" if place else self.message
        # what a file says must not steer the terminal it is shown on
        return _UNPRINTABLE.sub("\N{REPLACEMENT CHARACTER}", f"{text} ({self.hint})" if self.hint else text)


def _cut(text: str) -> str:
    return text if len(text) <= _MAX_CHARS else text[: _MAX_CHARS - 1] + "…"


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
    if len(word) > _MAX_WORD_CHARS or (isinstance(known, Sized) and len(known) > _MAX_KNOWN):
        return ""
    least, most = 0.4 * len(word), 2.5 * len(word)
    candidates = {name.casefold(): name for name in known if least <= len(name) <= most}
    near = get_close_matches(word.casefold(), candidates, n=1, cutoff=0.6)
    return f"did you mean {candidates[near[0]]!r}?" if near else ""
