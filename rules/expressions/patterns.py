"""Patterns of LIKE and of regexp_like."""

from __future__ import annotations

import re
from functools import lru_cache

import polars as pl

MAX_PATTERN_CHARS = 512
MAX_REPETITION = 256
#: Characters of a pattern once its repetitions are written out; a class that knows all alphabets counts for many.
MAX_WRITTEN_OUT = 4_000
_WIDE = 20
_ATOM = re.compile(
    r"""\\[pP](?:\{[^}]*\}|.)      # \p{Han}, \pL
      | \\x\{[^}]*\}
      | \\(?P<escaped>.)
      | \[\^?\]?(?:\\.|\[:[^\]]*:\]|[^\]\\])*\]
      | \{(?P<low>\d+)(?:,(?P<high>\d*))?\}
      | .""",
    re.VERBOSE | re.DOTALL,
)


def like_expr(value: pl.Expr, pattern: str, escape: str) -> pl.Expr:
    """LIKE as the cheapest operation that does it. ValueError on an escape that escapes nothing, and beyond the bounds."""
    if len(pattern) > MAX_PATTERN_CHARS:
        raise ValueError(f"the pattern is longer than {MAX_PATTERN_CHARS} characters")
    parts: list[str] = [""]
    wild: list[str] = []
    characters = iter(pattern)
    for character in characters:
        if escape and character == escape:
            following = next(characters, "")
            if following not in ("%", "_", escape):
                raise ValueError("the escape character must stand before %, _ or itself")
            parts[-1] += following
        elif character in "%_":
            wild.append(character)
            parts.append("")
        else:
            parts[-1] += character
    texts = [part for part in parts if part]
    if not wild:
        return value == pl.lit(pattern if not escape else parts[0])
    if "_" not in wild and len(texts) == 1 and len(wild) <= 2:
        front, back = parts[0] == "", parts[-1] == ""
        if front and back:
            return value.str.contains(texts[0], literal=True)
        return value.str.ends_with(texts[0]) if front else value.str.starts_with(texts[0])
    regex = "".join(_escaped(part) + (".*" if sign == "%" else ".") for part, sign in zip(parts, wild, strict=False))
    return value.str.contains(f"(?s)^{regex}{_escaped(parts[-1])}$")


def _escaped(text: str) -> str:
    return re.sub(r"([\\.+*?()|\[\]{}^$#&\-~])", r"\\\1", text)


def check_pattern(pattern: str) -> None:
    """A regular expression in Rust's syntax, within bounds. ValueError says what is wrong."""
    if len(pattern) > MAX_PATTERN_CHARS:
        raise ValueError(f"the pattern is longer than {MAX_PATTERN_CHARS} characters")
    for low, high in re.findall(r"\{(\d+)(?:,(\d*))?\}", pattern):
        if max(int(low), int(high or 0)) > MAX_REPETITION:
            raise ValueError(f"the pattern repeats more than {MAX_REPETITION} times")
    if _written_out(pattern) > MAX_WRITTEN_OUT:
        raise ValueError("the pattern is too large once its repetitions are written out ([0-9] is smaller than \\d)")
    _compile(pattern)


def _written_out(pattern: str) -> int:
    """About how large the pattern is with every repetition written out: what Rust's compiled form grows with."""
    groups, last = [0], 0
    for match in _ATOM.finditer(pattern):
        atom = match[0]
        if atom == "(":
            groups.append(0)
            last = 0
            continue
        if match["low"] is not None:
            times = max(int(match["low"]), int(match["high"] or 0), 1)
            groups[-1] += last * (times - 1)
            last *= times
            continue
        if atom == ")" and len(groups) > 1:
            last = groups.pop()
        elif match["escaped"]:
            last = _WIDE if match["escaped"] in "wWdDsS" else 1
        elif len(atom) > 1:  # a class, or a property
            last = _WIDE if atom[0] == "\\" or atom[1] == "^" or "\\" in atom else 2
        else:
            last = 3 if atom == "." or not atom.isascii() else 1
        groups[-1] += last
    return sum(groups)


@lru_cache(4096)
def _compile(pattern: str) -> None:
    try:
        pl.Series([""]).str.contains(pattern)
    except pl.exceptions.PolarsError as error:
        lines = [line.strip() for line in str(error).splitlines() if line.strip()]
        detail = next((line for line in lines if line.startswith("error:")), lines[0])
        if "size limit" in str(error):
            detail = "too large once its repetitions are written out"
        raise ValueError(
            f"not a regular expression: {detail.removeprefix('error:').removeprefix('regex ').strip()}"
        ) from None
