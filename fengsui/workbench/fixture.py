"""A fixture: events on a timeline, and what must come of them. Values only; :mod:`fixture_reader` makes them from YAML."""

from __future__ import annotations

from dataclasses import dataclass

from events.record import Verb
from fengsui.workbench.moments import Timeline
from fengsui.workbench.wants import Want
from rules.model import Place


@dataclass(frozen=True)
class Put:
    """One event: its JSON line, its time, and when it arrives."""

    time_ms: int
    receipt_ms: int
    line: bytes


@dataclass(frozen=True)
class Deed:
    """What a person does at a time to the newest alert of ``rule`` (and of a key, where one is written)."""

    at_ms: int
    verb: Verb
    rule: str
    key: tuple[tuple[str, Want], ...]
    by: str
    note: str | None
    to: str | None
    place: Place


@dataclass(frozen=True)
class Moment:
    """When something must happen: from ``from_ms`` up to and with ``to_ms``; ``text`` as it was written."""

    from_ms: int
    to_ms: int
    text: str


@dataclass(frozen=True)
class Expectation:
    """A transition that must happen, or with ``never`` must not. What is not written is not compared.

    ``type``: opened, escalated, closed or updated; with ``never`` also empty for all of them. ``moment``: None for any time.
    ``fields``: names of a transition's fields with what they must be, measures as ``measures.NAME``.
    """

    type: str
    never: bool
    moment: Moment | None
    rule: str
    key: tuple[tuple[str, Want], ...]
    fields: tuple[tuple[str, Want], ...]
    place: Place


@dataclass(frozen=True)
class Fixture:
    """``puts`` and ``deeds`` in the order of the file. What happens up to and with ``until_ms`` is looked at.

    Where no end is written, that is as far as the rules look beyond the last event, so that no opening is overlooked. Closings
    beyond ``last_ms``, the last event, act or expected time, then need not be expected: they are a matter of that reach.
    """

    title: str
    place: Place
    rules: tuple[str, ...]
    timeline: Timeline
    until_ms: int
    last_ms: int
    puts: tuple[Put, ...]
    deeds: tuple[Deed, ...]
    expectations: tuple[Expectation, ...]
    #: False: as a replay of files that hold no receipts
    receipts: bool = True
