"""The feed catalogue: complete as built in, extended by a file, and every fault told at once with its place."""

from __future__ import annotations

import re
from pathlib import Path

import polars as pl
import pytest

from events.event import ENVELOPE
from events.feeds import FIELD_TYPES, CatalogError, FeedCatalog

CONTRACT = {
    "sensor": "metric value unit quality limit statistic interval",
    "complaint": "category text channel status place",
    "inspection": "result score kind risk violations text",
    "opinion": "title rank heat",
}
MISSION = "registration permit inspection sampling penalty credit project trading complaint opinion sensor vehicle trace hazard"
DOCS = Path(__file__).parent.parent / "docs" / "events.md"


def faults(text: str) -> list[str]:
    """Everything that is wrong with a file, as ``line:column: message``."""
    with pytest.raises(CatalogError) as caught:
        FeedCatalog.parse(text, "f")
    assert str(caught.value).splitlines() == [str(fault) for fault in caught.value.errors]
    return [str(fault).removeprefix("f:") for fault in caught.value.errors]


def test_the_built_in_catalogue_is_complete() -> None:
    """All feeds of the mission, the contract's fields, both languages everywhere, personal data marked."""
    catalog = FeedCatalog.builtin()
    assert catalog.text is None
    assert set(MISSION.split()) <= catalog.feeds.keys()
    for name, names in CONTRACT.items():
        assert set(names.split()) <= catalog.feeds[name].fields.keys()
    for feed in catalog.feeds.values():
        assert feed.domain
        for title in (feed.title, *(field.title for field in feed.fields.values())):
            assert re.search("[\u4e00-\u9fff]", title["zh"])
            assert re.fullmatch(r"[ -~]+", title["en"])
        assert feed.lateness_ms == (5_000 if feed.name == "sensor" else 0)
        assert feed.idle_ms == 60_000
        assert feed.retention_days >= 365
        assert not feed.fields.keys() & ENVELOPE.keys()
    assert {"caller", "phone", "text"} <= catalog.personal("complaint")
    assert "driver" in catalog.personal("vehicle")


def test_built_in_names_have_one_type() -> None:
    """No name has two types, so that every feed is decoded in columns."""
    assert not [name for name in FeedCatalog.builtin().schema() if "@" in name]


def test_a_file_adds_feeds_and_replaces_them_whole() -> None:
    """What it does not name stays as built in; what it leaves out of an entry has its default."""
    catalog = FeedCatalog.parse(
        """
feeds:
  tide:
    title: {zh: 潮位, en: Tide}
    domain: water
    lateness: 90s
    idle: 10m
    retention: 2w
    fields:
      height: {type: number, title: {zh: 高度, en: Height}, unit: m}
      observer: {type: string, title: 观测员, personal: true}
      ok: boolean
  sensor:
    domain: water
    fields: {level: number}
"""
    )
    tide = catalog.feeds["tide"]
    assert (tide.lateness_ms, tide.idle_ms, tide.retention_days) == (90_000, 600_000, 14)
    assert tide.fields["height"].unit == "m"
    assert tide.fields["observer"].title == {"zh": "观测员", "en": "观测员"}
    assert catalog.personal("tide") == {"observer"}
    assert tide.fields["ok"].title == {"zh": "ok", "en": "ok"}
    sensor = catalog.feeds["sensor"]
    assert list(sensor.fields) == ["level"]
    assert (sensor.lateness_ms, sensor.title) == (5_000, {"zh": "sensor", "en": "sensor"})
    assert catalog.feeds["complaint"] == FeedCatalog.builtin().feeds["complaint"]
    assert catalog.text is not None
    assert FeedCatalog.parse(catalog.text) == catalog


def test_types_of_fields_and_columns() -> None:
    """Envelope and declared fields have types; a name of another type elsewhere has a column of its own."""
    catalog = FeedCatalog.parse("feeds: {a: {domain: x, fields: {value: string, due: time}}, b: {domain: x}}")
    assert catalog.field_type("a", "value") == "string"
    assert catalog.field_type("a", "lon") == "number"
    assert catalog.field_type("a", "nope") is None
    assert catalog.field_type("nope", "id") is None
    assert catalog.column("sensor", "value") == "value"
    assert catalog.column("a", "value") == "value@string"
    assert catalog.column("a", "id") == "id"
    with pytest.raises(KeyError):
        catalog.column("b", "value")
    schema = catalog.schema()
    assert schema["value"] == pl.Float64
    assert schema["value@string"] == pl.String
    assert schema["due"] == schema["time"] == pl.Int64
    assert catalog.field_names("b") == tuple(ENVELOPE)


def test_all_faults_are_told_at_once_with_their_places() -> None:
    """As an editor counts lines and columns, and with what was probably meant."""
    told = faults(
        """feeds:
  x:
   tittle: 3
   domain: market
   fields: {a: nmber, b: {type: number, personal: 3}, id: number, a: string, 'b c': string}
   lateness: 5
   idle: -3s
   retention: 99999999999999999999d
  Big: {domain: market}
  alert: {domain: market}
  y: {title: {zh: 甲}, fields: [a]}
  z: {domain: market, fields: {u: {unit: 5}, v: {}}}
more: 1
"""
    )
    assert [line.rsplit(": ", 1)[0].partition(": ")[0] for line in told] == [
        "3:4",
        "5:16",
        "5:51",
        "5:59",
        "5:67",
        "5:78",
        "6:14",
        "7:10",
        "8:15",
        "9:3",
        "10:3",
        "11:6",
        "11:14",
        "11:31",
        "12:35",
        "12:42",
        "12:49",
        "13:1",
    ], "\n".join(told)
    assert "did you mean 'title'?" in told[0]
    assert "did you mean 'number'?" in told[1]


@pytest.mark.parametrize(
    ("text", "place", "message"),
    [
        ("a: [", "2:1", "not YAML"),
        ("[1]", "1:1", "must be a mapping"),
        ("feeds: {x: 5}", "1:12", "must be a mapping"),
        ("feeds: {x: }", "1:", "must be a mapping"),
        ("feeds: {1: {domain: a}}", "1:9", "must be a string"),
        ("feeds: {x: {domain: yes}}", "1:21", "quotes"),
        ("feeds: {x: !!python/object/apply:os.system [ls]}", "1:12", "must be a mapping"),
        ("[" * 100_000, "1:", "nested deeper"),
        (
            "feeds: {x: {domain: a, fields: {" + ", ".join(f"f{i}: string" for i in range(400)) + "}}}",
            "1:",
            "more than 300",
        ),
        ("#" * 1_000_001, "1:1", "larger than"),
        ("feeds: *nowhere", "1:8", "alias"),
        ("\0", "1:1", "not YAML"),
        ("feeds: {x: {domain: a, fields: {__a: string, " + "b" * 65 + ": string, a@b: string}}}", "1:33", "letters"),
        ("a: 1\n---\nb: 2", "2:1", "not YAML"),
    ],
)
def test_what_is_no_catalogue(text: str, place: str, message: str) -> None:
    """Hostile and broken files end in an error with a place, never in a crash."""
    first = faults(text)[0]
    assert first.startswith(place)
    assert message in first


def test_aliases_do_not_explode() -> None:
    """Feeds may share their fields by an anchor, but not without end."""
    many = ", ".join(f"f{i}: string" for i in range(200))
    few = f"feeds: {{a: {{domain: x, fields: &f {{{many}}}}}, b: {{domain: x, fields: *f}}}}"
    assert len(FeedCatalog.parse(few).feeds["b"].fields) == 200
    rest = "".join(f", a{i}: {{domain: x, fields: *f}}" for i in range(30))
    assert "at most 5000" in faults(few[:-1] + rest + "}")[0]
    assert "has no type" in faults("feeds: &a {x: {domain: x, fields: *a}}")[0]


def test_load_reads_the_file_beside_the_rules(tmp_path: Path) -> None:
    """No directory and no file mean the built-in catalogue; an unreadable one is an error."""
    builtin = FeedCatalog.builtin()
    assert FeedCatalog.load(None) is builtin
    assert FeedCatalog.load(tmp_path) is builtin
    path = tmp_path / "feeds.yaml"
    path.write_text("\ufefffeeds: {tide: {domain: water}}", encoding="utf-8")
    assert "tide" in FeedCatalog.load(tmp_path).feeds
    for empty in ("", "# none\n", "feeds:\n"):
        path.write_text(empty, encoding="utf-8")
        assert FeedCatalog.load(tmp_path).feeds == builtin.feeds
    path.write_bytes(b"feeds: \xff")
    with pytest.raises(CatalogError, match="UTF-8"):
        FeedCatalog.load(tmp_path)


def test_the_event_reference_names_every_feed_and_field() -> None:
    """docs/events.md is kept true."""
    sections = re.split(r"^### ", DOCS.read_text("utf-8"), flags=re.MULTILINE)
    told = {section.split("`")[1]: section for section in sections if section.startswith("`")}
    catalog = FeedCatalog.builtin()
    assert list(told) == list(catalog.feeds)
    for name, feed in catalog.feeds.items():
        found = re.findall(r"^\| `(\w+)` \| (\w+) \| (.*?) \| (.*?) \| (.*?) \|", told[name], flags=re.MULTILINE)
        assert found == [
            (f.name, f.type, f.title["zh"], f.title["en"], " ".join(filter(None, [f.unit, "P" if f.personal else ""])))
            for f in feed.fields.values()
        ]
    assert all(word in DOCS.read_text("utf-8") for word in FIELD_TYPES)


def test_the_example_of_a_new_feed_loads() -> None:
    """Every YAML block of the event reference is a catalogue."""
    blocks = re.findall(r"^```yaml\n(.*?)^```", DOCS.read_text("utf-8"), flags=re.MULTILINE | re.DOTALL)
    assert blocks
    for block in blocks:
        FeedCatalog.parse(block)
