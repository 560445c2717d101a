"""What a list is narrowed by: one vocabulary for the API, the live state, the websocket and the store."""

from __future__ import annotations

import base64
import binascii
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

import msgspec

from events.times import MAX_MS, MIN_MS, parse_instant
from events.transition import SEVERITIES, Transition

STATES = ("open", "acked", "assigned", "resolved")
#: ``state=unresolved`` is short for these.
UNRESOLVED = frozenset({"open", "acked", "assigned"})
DEFAULT_LIMIT = 100
MAX_LIMIT = 1000
MAX_TEXT_CHARS = 512

_TEXTS = ("region", "domain", "rule", "subject", "feed")
_SETS = {"severity": SEVERITIES, "state": STATES}


class FilterError(ValueError):
    """A parameter that cannot be used: which one, and what would do."""

    def __init__(self, parameter: str, message: str) -> None:
        super().__init__(f"{parameter}: {message}")
        self.parameter = parameter
        self.message = message


class Facets(msgspec.Struct, frozen=True, gc=False):
    """The sides of an alert that a filter looks at. ``opened_ms`` is epoch milliseconds."""

    alert: str
    opened_ms: int
    severity: str
    state: str
    condition: str
    domain: str
    rule: str
    feed: str
    region: str
    subject: str
    shadow: bool


def facets(transition: Transition) -> Facets:
    """The facets of the alert as this transition leaves it; a missing region or subject is the empty text."""
    return Facets(
        alert=transition.alert,
        opened_ms=parse_instant(transition.opened_at or transition.at),
        severity=transition.severity,
        state=transition.state,
        condition=transition.condition,
        domain=transition.domain,
        rule=transition.rule,
        feed=transition.evidence.feed,
        region=transition.region or "",
        subject=transition.subject or "",
        shadow=transition.shadow,
    )


@dataclass(frozen=True)
class Filter:
    """``from_ms`` (inclusive) and ``to_ms`` (exclusive) bound an event's time, and an alert's opening.

    ``region`` is a prefix. Empty sets admit all. Shadow alerts are seen only where ``shadow`` is set, beside the others.
    ``cursor`` is what the page before gave as next.
    """

    from_ms: int | None = None
    to_ms: int | None = None
    region: str | None = None
    domain: str | None = None
    severity: frozenset[str] = frozenset()
    state: frozenset[str] = frozenset()
    rule: str | None = None
    subject: str | None = None
    feed: str | None = None
    shadow: bool = False
    limit: int = DEFAULT_LIMIT
    cursor: str | None = None

    @classmethod
    def parse(
        cls, params: Mapping[str, str] | Iterable[tuple[str, str]], *, also: frozenset[str] = frozenset()
    ) -> Filter:
        """Query parameters -> a filter. Names in ``also`` are the caller's own and left alone. FilterError on all else.

        Times are RFC 3339 with offset or epoch milliseconds; sets take commas or repeats; an empty value is none.

        >>> Filter.parse({"severity": "red,orange", "region": "53", "state": "unresolved"}).region
        '53'
        """
        pairs = params.items() if isinstance(params, Mapping) else params
        values: dict[str, object] = {}
        for name, text in pairs:
            if name in also or not text:
                continue
            _check_text(name, text)
            if name in _SETS:
                values[name] = _words(name, text) | _as_set(values.get(name))
                continue
            key = {"from": "from_ms", "to": "to_ms"}.get(name, name)
            if key in values:
                raise FilterError(name, "is given twice")
            if name in ("from", "to"):
                values[key] = _instant(name, text)
            elif name in _TEXTS:
                values[key] = text
            elif name == "limit":
                values[key] = _limit(text)
            elif name == "cursor":
                values[key] = text
            elif name == "shadow":
                values[key] = _flag(name, text)
            else:
                raise FilterError(name, f"is not a parameter here; use {', '.join(parameters())}")
        made = cls(**values)  # type: ignore[arg-type]  # names and types are those of the branches above
        if made.from_ms is not None and made.to_ms is not None and made.from_ms >= made.to_ms:
            raise FilterError("from", "must be earlier than to")
        return made

    def admits(self, one: Facets) -> bool:
        """Whether an alert with these facets is in the list; ``limit`` and ``cursor`` play no part."""
        return (
            (self.shadow or not one.shadow)
            and (not self.severity or one.severity in self.severity)
            and (not self.state or one.state in self.state)
            and (self.domain is None or one.domain == self.domain)
            and (self.rule is None or one.rule == self.rule)
            and (self.feed is None or one.feed == self.feed)
            and (self.subject is None or one.subject == self.subject)
            and (self.region is None or one.region.startswith(self.region))
            and (self.from_ms is None or one.opened_ms >= self.from_ms)
            and (self.to_ms is None or one.opened_ms < self.to_ms)
        )


def parameters() -> tuple[str, ...]:
    """The names that :meth:`Filter.parse` takes."""
    return ("from", "to", *_TEXTS, *_SETS, "limit", "cursor", "shadow")


def encode_cursor(kind: str, *place: int | str) -> str:
    """A place in a list as an opaque word."""
    return base64.urlsafe_b64encode(msgspec.json.encode([kind, *place])).rstrip(b"=").decode()


def decode_cursor(kind: str, cursor: str, *types: type) -> tuple[int | str, ...]:
    """The reverse, checked: FilterError where the word is not a cursor of this kind of list."""
    try:
        padded = cursor.encode("ascii") + b"=" * (-len(cursor) % 4)
        got = msgspec.json.decode(base64.b64decode(padded, altchars=b"-_", validate=True))
    except (binascii.Error, msgspec.DecodeError, UnicodeError, ValueError):
        got = None
    if not isinstance(got, list) or len(got) != len(types) + 1 or got[0] != kind:
        raise FilterError("cursor", "is not one that this list gave; ask again without it")
    if not all(type(value) is wanted for value, wanted in zip(got[1:], types, strict=True)):
        raise FilterError("cursor", "is not one that this list gave; ask again without it")
    if any(isinstance(value, int) and not -(2**63) <= value < 2**63 for value in got[1:]):
        raise FilterError("cursor", "is not one that this list gave; ask again without it")
    return tuple(got[1:])


def _check_text(name: str, text: str) -> None:
    if len(text) > MAX_TEXT_CHARS:
        raise FilterError(name, f"is longer than {MAX_TEXT_CHARS} characters")
    if any("\ud800" <= char <= "\udfff" or char == "\0" for char in text):
        raise FilterError(name, "is not clean UTF-8 text")


def _instant(name: str, text: str) -> int:
    if text.lstrip("-").isascii() and text.lstrip("-").isdigit():
        ms = int(text)
    else:
        try:
            ms = parse_instant(text)
        except ValueError:
            raise FilterError(
                name, "write RFC 3339 with offset (2026-01-01T08:00:00+08:00, the + as %2B) or epoch milliseconds"
            ) from None
    if not MIN_MS <= ms <= MAX_MS:
        raise FilterError(name, "lies outside of the years 1 to 9999")
    return ms


def _limit(text: str) -> int:
    limit = int(text) if text.isascii() and text.isdigit() else 0
    if not 1 <= limit <= MAX_LIMIT:
        raise FilterError("limit", f"must be a whole number from 1 to {MAX_LIMIT}")
    return limit


def _flag(name: str, text: str) -> bool:
    if text.lower() not in ("0", "1", "true", "false"):
        raise FilterError(name, "must be 1 or 0")
    return text.lower() in ("1", "true")


def _words(name: str, text: str) -> frozenset[str]:
    allowed = _SETS[name]
    words: set[str] = set()
    for word in text.split(","):
        if name == "state" and word == "unresolved":
            words |= UNRESOLVED
        elif word in allowed:
            words.add(word)
        else:
            extra = ", unresolved" if name == "state" else ""
            raise FilterError(name, f"{word[:40]!r} is not one of {', '.join(allowed)}{extra}")
    return frozenset(words)


def _as_set(value: object) -> frozenset[str]:
    return value if isinstance(value, frozenset) else frozenset()
