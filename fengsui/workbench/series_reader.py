"""The entries under ``events``: each stands for one event or for a series of them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import msgspec

from events.event import ENVELOPE, MAX_AHEAD_MS
from events.feeds import FeedCatalog
from events.times import MAX_MS
from fengsui.workbench.faults import Faults, Keys
from fengsui.workbench.fixture import Put
from fengsui.workbench.moments import FORMS, Timeline, parse_span, tell_span
from fengsui.workbench.values import MAX_EVENTS, Value, read_value
from rules.errors import did_you_mean
from rules.yaml_source import Mapping as MapNode
from rules.yaml_source import Node, Scalar
from rules.yaml_source import Sequence as SeqNode

#: What an entry may say of its events beside their fields; ``fields`` holds those that are called like one of these.
WORDS = ("at", "every", "times", "delay", "feed", "fields")
#: ... and those of them that make sense for all events of a fixture.
SHARED_WORDS = ("every", "delay", "feed", "fields")
SOURCE = "test"
_DEFAULT_EVERY_MS = 60_000
_LAST_MS = MAX_MS - 400 * 86_400_000


@dataclass(frozen=True)
class _When:
    """Times of an entry's events. ``open``: so many as its lists have values, one ``every_ms`` after the other."""

    times_ms: tuple[int, ...]
    every_ms: int
    open: bool = False


class SeriesReader:
    """Reads entry after entry; an entry without ``at`` begins one ``every`` after the one before it."""

    def __init__(
        self, timeline: Timeline, catalog: FeedCatalog, feed: str | None, shared: Keys, faults: Faults
    ) -> None:
        self.puts: list[Put] = []
        self.feeds: set[str] = set()
        self._timeline = timeline
        self._catalog = catalog
        self._feed = feed
        self._shared = shared
        self._faults = faults
        self._last_ms: int | None = None

    def read(self, entry: Node) -> None:
        """Adds the entry's events to ``puts``, or its faults to the report."""
        faults = self._faults
        if not isinstance(entry, MapNode):
            faults.at(entry, "an entry of events must be a mapping", "such as {at: 0m, value: 65}")
            return
        before = len(faults.errors)
        own = {key.text: (key, value) for key, value in entry}
        keys = {**self._shared, **own}
        feed = self._feed_of(entry, keys)
        when = self._when(own, keys)
        delay_ms = self._span("delay", keys, 0, signed=True)
        values = {} if feed is None else self._values(feed, own)
        if feed is None or when is None or len(faults.errors) > before:
            return
        times_ms = self._times(when, values, entry)
        if times_ms is None:
            return
        self._last_ms = times_ms[-1]
        self.feeds.add(feed)
        self._put(feed, times_ms, delay_ms, {name: value for name, (_, value) in values.items()})

    # --- what the entry says of its events

    def _feed_of(self, entry: MapNode, keys: Keys) -> str | None:
        found = keys.get("feed")
        if found is None:
            if self._feed is None:
                self._faults.at(
                    entry, "the entry has no feed", "the tested rules read several, or only alerts: say feed: NAME"
                )
            return self._feed
        text = self._faults.text(found[1], "feed")
        if text is not None and text not in self._catalog.feeds:
            self._faults.at(found[1], f"unknown feed {text[:40]!r}", did_you_mean(text, self._catalog.feeds))
            return None
        return text

    def _when(self, own: Keys, keys: Keys) -> _When | None:
        faults = self._faults
        every_ms = self._span("every", keys, _DEFAULT_EVERY_MS, least_ms=1)
        times = self._count(own)
        if "at" not in own:
            start_ms = self._timeline.start_ms if self._last_ms is None else self._last_ms + every_ms
            return _run(start_ms, every_ms, times)
        node = own["at"][1]
        if isinstance(node, SeqNode):
            return self._list(node, own)
        text = faults.text(node, "at", FORMS)
        if text is None:
            return None
        if ".." not in text:
            moment_ms = self._faults.moment(text, node, "at", self._timeline)
            return None if moment_ms is None else _run(moment_ms, every_ms, times)
        if times is not None:
            faults.at(own["times"][0], "times does not go with a range of times", "say every, or give at one time")
            return None
        return self._range(text, every_ms, node)

    def _list(self, node: SeqNode, own: Keys) -> _When | None:
        for word in ("every", "times"):
            if word in own:
                self._faults.at(own[word][0], f"{word} does not go with a list of times")
        moments = [self._faults.moment_of(item, "at", self._timeline) for item in node.items]
        whole = tuple(ms for ms in moments if ms is not None)
        if not moments:
            self._faults.at(node, "at is empty", FORMS)
        return _When(whole, _DEFAULT_EVERY_MS) if whole and len(whole) == len(moments) else None

    def _range(self, text: str, every_ms: int, node: Node) -> _When | None:
        ends = [self._faults.moment(part.strip(), node, "at", self._timeline) for part in text.split("..", 1)]
        first, last = ends
        if first is None or last is None:
            return None
        if last < first:
            self._faults.at(node, f"{text[:40]!r} ends before it begins")
            return None
        count = (last - first) // every_ms + 1
        if count > MAX_EVENTS:
            self._faults.at(node, f"more than {MAX_EVENTS:,} events", "take a longer every")
            return None
        return _When(tuple(range(first, last + 1, every_ms)), every_ms)

    def _count(self, own: Keys) -> int | None:
        if "times" not in own:
            return None
        node = own["times"][1]
        number = node.number() if isinstance(node, Scalar) else None
        if not isinstance(number, int) or not 1 <= number <= MAX_EVENTS:
            self._faults.at(node, f"times must be a whole number from 1 to {MAX_EVENTS:,}")
            return 1
        return number

    def _span(
        self, name: str, keys: Keys, default_ms: int, *, least_ms: int | None = None, signed: bool = False
    ) -> int:
        if name not in keys:
            return default_ms
        node = keys[name][1]
        text = self._faults.text(node, name)
        if text is None:
            return default_ms
        try:
            span_ms = -parse_span(text[1:]) if signed and text[:1] == "-" else parse_span(text)
        except ValueError as error:
            self._faults.at(node, f"{name}: {error}", "write 30s, 5m, 1h or 1h30m")
            return default_ms
        if least_ms is not None and span_ms < least_ms:
            self._faults.at(node, f"{name} must be longer than nothing")
            return default_ms
        if span_ms < -MAX_AHEAD_MS:
            self._faults.at(node, f"an event may lie at most {tell_span(MAX_AHEAD_MS)} ahead of its arrival")
        return span_ms

    # --- their fields

    def _values(self, feed: str, own: Keys) -> dict[str, tuple[Scalar, Value]]:
        types = dict(ENVELOPE) | {field.name: field.type for field in self._catalog.feeds[feed].fields.values()}
        values: dict[str, tuple[Scalar, Value]] = {}
        for keys in (self._shared, own):
            for name, (key, node) in keys.items():
                if name == "fields":
                    continue
                if name not in WORDS and not (keys is self._shared and self._elsewhere(name, types)):
                    self._value(name, key, node, types, values, feed)
            if "fields" not in keys:
                continue
            node = keys["fields"][1]
            if not isinstance(node, MapNode):
                self._faults.at(node, "fields must be a mapping of fields to values")
                continue
            for key, inner in node:
                self._value(key.text, key, inner, types, values, feed)
        return values

    def _elsewhere(self, name: str, types: Mapping[str, str]) -> bool:
        """A field of other feeds: what all entries share is left out where a feed does not have it."""
        return name not in types and any(name in feed.fields for feed in self._catalog.feeds.values())

    def _value(
        self,
        name: str,
        key: Scalar,
        node: Node,
        types: Mapping[str, str],
        values: dict[str, tuple[Scalar, Value]],
        feed: str,
    ) -> None:
        if name == "time":
            self._faults.at(key, "the time of an event is told by at")
        elif name not in types:
            hint = did_you_mean(name, [*types, *WORDS]) or f"a field of the feed {feed}, or one of {', '.join(WORDS)}"
            self._faults.at(key, f"the feed {feed} has no field {name[:40]!r}", hint)
        else:
            value = read_value(node, types[name], self._timeline.zone_ms, self._faults)
            if value is not None:
                values[name] = (key, value)

    def _times(self, when: _When, values: Mapping[str, tuple[Scalar, Value]], entry: MapNode) -> tuple[int, ...] | None:
        """As many as the lists have values, where the entry leaves it to them; they must agree."""
        times_ms = when.times_ms
        told = None if when.open else f"the entry has {len(times_ms)} events"
        for key, value in values.values():
            if value.length is None:
                continue
            if told is None:
                times_ms = _run(times_ms[0], when.every_ms, value.length).times_ms
                told = f"{key.text} has {value.length}"
            elif value.length != len(times_ms):
                self._faults.at(key, f"{key.text} has {value.length} values, but {told}")
                return None
        if len(self.puts) + len(times_ms) > MAX_EVENTS:
            self._faults.at(entry, f"more than {MAX_EVENTS:,} events in one test")
            return None
        if times_ms[-1] > _LAST_MS:
            self._faults.at(entry, "the events lie further ahead than a calendar goes")
            return None
        return times_ms

    def _put(self, feed: str, times_ms: tuple[int, ...], delay_ms: int, values: Mapping[str, Value]) -> None:
        count = len(times_ms)
        for i, time_ms in enumerate(times_ms):
            fields = {name: value.of(i, count, time_ms) for name, value in values.items()}
            whole = {
                "id": f"e{len(self.puts) + 1}",
                "source": SOURCE,
                **{name: value for name, value in fields.items() if value is not None},
                "feed": feed,
                "time": time_ms,
            }
            self.puts.append(Put(time_ms, time_ms + delay_ms, msgspec.json.encode(whole)))


def _run(start_ms: int, every_ms: int, times: int | None) -> _When:
    return _When(tuple(start_ms + every_ms * i for i in range(times or 1)), every_ms, open=times is None)
