"""The page of rule patterns: its files are what it shows, they load and their fixtures pass, and EARS gives the known numbers."""

from __future__ import annotations

import csv
import io
import json
import re
from collections.abc import Iterator, Sequence
from datetime import datetime, timedelta
from pathlib import Path
from statistics import fmean, stdev
from typing import Any

import pytest
from click.testing import CliRunner

from fengsui.cli import cli
from fengsui.workbench.coverage import cover
from fengsui.workbench.fixture_files import load_fixtures
from fengsui.workbench.trial import Stage
from fengsui.workbench.trials import run_trials
from rules.load import load_rules
from streams.replay import replay

DOCS = Path(__file__).parent.parent / "docs"
PATTERNS = DOCS / "patterns"
FILES = sorted(path.name for path in PATTERNS.iterdir())
PAGE = (DOCS / "rule-patterns.md").read_text(encoding="utf-8")
SHOWN = {
    name: body for body, name in re.findall(r"^```(?:yaml|csv)\n(# (\S+)\n.*?)^```", PAGE, re.MULTILINE | re.DOTALL)
}
COUNTS = Path(__file__).parent.parent.parent / "shared" / "data" / "counts"

ELASTALERT = (
    "any blacklist whitelist change frequency spike flatline new_term cardinality metric_aggregation percentage_match"
)
SIGMA = "event_count value_count temporal temporal_ordered value_sum value_avg value_percentile"
ASKED_FOR = "hysteresis hold keep_firing absence thresholds outfalls escalation parent hours late"


# --- the page ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", FILES)
def test_a_file_stands_on_the_page_word_for_word(name):
    """Where this fails, copy the file into its block of docs/rule-patterns.md."""
    assert SHOWN[name] == (PATTERNS / name).read_text(encoding="utf-8")


def test_the_page_shows_nothing_that_is_no_file():
    """And each file once."""
    assert sorted(SHOWN) == FILES
    assert len(re.findall(r"^```(?:yaml|csv)$", PAGE, re.MULTILINE)) == len(FILES)


@pytest.mark.parametrize("pattern", [*ELASTALERT.split(), *SIGMA.split(), "EARS C1, C2, C3", *ASKED_FOR.split()])
def test_a_pattern_has_its_section_with_a_rule_and_a_fixture(pattern):
    """The page is complete."""
    (section,) = re.findall(rf"^#+ {re.escape(pattern)}\n(.*?)(?=^##|\Z)", PAGE, re.MULTILINE | re.DOTALL)
    assert re.search(r"^```yaml\n# [\w-]+\.yaml\n", section, re.MULTILINE)
    assert re.search(r"^```yaml\n# [\w-]+\.test\.yaml\n", section, re.MULTILINE)


@pytest.mark.parametrize("anchor", sorted(set(re.findall(r"\]\(#([^)]+)\)", PAGE))))
def test_a_link_within_the_page_leads_somewhere(anchor):
    """Headings become anchors as GitHub makes them."""
    headings = re.findall(r"^#+ (.*)$", PAGE, re.MULTILINE)
    assert anchor in {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


# --- the rules --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("command", ["check", "test", "explain"])
def test_the_directory_is_in_order(command):
    """As the page says that they are run."""
    arguments = ["explain", str(PATTERNS)] if command == "explain" else [command, str(PATTERNS)]
    done = CliRunner().invoke(cli, ["rules", *arguments])
    assert done.exit_code == 0, done.output


def test_every_pattern_has_a_fixture_that_fires_and_one_that_does_not():
    """And each rung of a ladder is reached by one and left out by another."""
    ruleset = load_rules(PATTERNS)
    verdicts = [
        trial.verdict for trial in run_trials(load_fixtures(PATTERNS, ruleset, 28_800_000), ruleset, processes=1)
    ]
    assert cover(ruleset.rules, verdicts).whole


def test_no_fixture_depends_on_how_its_events_are_cut():
    """Seven events a step give what all of them at once give."""
    ruleset = load_rules(PATTERNS)
    stage = Stage(ruleset)
    fixtures = load_fixtures(PATTERNS, ruleset, 28_800_000)
    assert [fixture.title for fixture in fixtures if not stage.run(fixture, batch=7).passed] == []


def test_three_hundred_outfalls_are_three_hundred_rows():
    """The template does not change, only its table grows."""
    rows = [f"DW{n:03},某企业 DW{n:03},{40 + n},10m,yellow" for n in range(300)]
    table = "\n".join(["code,name,limit,hold,severity", *rows])
    text = (PATTERNS / "outfalls.yaml").read_text(encoding="utf-8")
    rules = load_rules({"outfalls.yaml": text, "outfalls.csv": table}).rules
    assert len(rules) == 300
    assert rules[299].when is not None
    assert rules[299].when.text == "value > 339"


# --- EARS -------------------------------------------------------------------------------------------------------------

FIRST_DAY = datetime.fromisoformat("2024-01-01T12:00:00+08:00")
#: Days of a burst that is over at once, of none at all, of a slow rise, of two bursts on end; unsteady days, and three a little high.
SERIES = [
    *(4, 2, 3, 5, 3, 0, 2, 4, 3, 2, 6, 3, 17, 3, 2, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 5, 1, 0, 2, 3, 3, 2, 3, 4),
    *(3, 4, 5, 5, 6, 7, 9, 8, 3, 2, 0, 14, 15, 3, 3, 3, 3, 3, 3, 3, 3, 3, 6, 3, 3, 1, 1, 5, 2, 6, 3, 4, 2, 8, 10),
    *(2, 3, 2, 4, 3, 2, 3, 3, 2, 4, 4, 4),
]


def against(counts: Sequence[int], day: int, skip: int) -> float | None:
    """C1 (``skip`` 0) or C2 (2) of a day: how many standard deviations it lies above the mean of seven days."""
    week = counts[day - skip - 7 : day - skip] if day - skip - 7 >= 0 else ()
    return (counts[day] - fmean(week)) / max(stdev(week), 0.5) if week else None


def c1(counts: Sequence[int], day: int) -> float | None:
    return against(counts, day, 0)


def c2(counts: Sequence[int], day: int) -> float | None:
    return against(counts, day, 2)


def c3(counts: Sequence[int], day: int) -> float | None:
    """The sum over three days of how far C2 lies above 1."""
    three = [c2(counts, day - back) for back in range(3)] if day >= 2 else [None]
    return None if None in three else sum(max(0.0, value - 1) for value in three if value is not None)


METHODS = {"c1": (c1, 3), "c2": (c2, 3), "c3": (c3, 2)}


def sources() -> Iterator[Any]:
    """The made-up series, and those of recorded counts beside a development checkout: weeks, played as days."""
    yield pytest.param(SERIES, id="series")
    for name in ("k1", "m1", "m2", "m3", "m4", "m5"):
        path = COUNTS / f"{name}.csv"
        absent = pytest.mark.skipif(not path.is_file(), reason="the counts stand beside a development checkout only")
        yield pytest.param(path, id=name, marks=absent)


def counts_of(source: Sequence[int] | Path) -> list[int]:
    """From the first count on: a key is not known before its first event."""
    if isinstance(source, Path):
        with source.open(encoding="utf-8", newline="") as stream:
            source = [int(row["observed"]) for row in csv.DictReader(stream)]
    return list(source[next(day for day, n in enumerate(source) if n) :])


EARS = (PATTERNS / "ears.yaml").read_text(encoding="utf-8")


def played(counts: Sequence[int], rules: str, into: Path) -> Iterator[tuple[str, int, dict[str, Any]]]:
    """(method, day, transition) of rules over complaints, so many a day."""
    lines = []
    for day, n in enumerate(counts):
        for i in range(n):
            time = (FIRST_DAY + timedelta(days=day, seconds=i)).isoformat()
            event = {"id": f"{day}-{i}", "feed": "complaint", "source": "t", "time": time}
            lines.append(json.dumps(event | {"region": "530181", "category": "食品安全"}))
    into.write_text("\n".join(lines), encoding="utf-8")
    until = FIRST_DAY.replace(hour=0) + timedelta(days=len(counts))
    out = io.BytesIO()
    replay([into], load_rules({"ears.yaml": rules}), out, until_ms=int(until.timestamp() * 1000))
    for line in out.getvalue().splitlines():
        transition = json.loads(line)
        # a day is judged at the midnight that ends it
        day = (datetime.fromisoformat(transition["at"]) - FIRST_DAY).days
        yield transition["rule"][-2:], day, transition


def alarms(counts: Sequence[int], name: str) -> list[int]:
    """The days on which alerts open: alarms of days that follow each other are one."""
    plain, threshold = METHODS[name]
    rung = [n >= 3 and (plain(counts, day) or 0) > threshold for day, n in enumerate(counts)]
    return [day for day, now in enumerate(rung) if now and not (day and rung[day - 1])]


def test_the_series_tells_the_methods_apart():
    """Else what follows would show little: each alarms at times, and not all at the same."""
    found = [alarms(SERIES, name) for name in METHODS]
    assert all(len(days) >= 2 for days in found)
    assert found[0] != found[1] != found[2] != found[0]


@pytest.mark.parametrize("source", list(sources()))
def test_ears_gives_the_numbers_of_the_plain_method(source, tmp_path):
    """On every day that has events and enough days before it."""
    counts = counts_of(source)
    bare = re.sub(r"when: .*", "when: TRUE\n    update_every: 0s", EARS)
    seen: dict[str, dict[int, float]] = {name: {} for name in METHODS}
    for name, day, transition in played(counts, bare, tmp_path / "events.ndjson"):
        if transition["type"] != "closed":
            seen[name][day] = transition["measures"][name]
    for name, (plain, _) in METHODS.items():
        assert set(seen[name]) == {day for day, n in enumerate(counts) if n}
        expected = {day: value for day in seen[name] if (value := plain(counts, day)) is not None}
        assert {day: seen[name][day] for day in expected} == pytest.approx(expected, rel=1e-9, abs=1e-9)


@pytest.mark.parametrize("source", list(sources()))
def test_ears_opens_where_the_plain_method_alarms(source, tmp_path):
    """By the rules as they stand on the page."""
    counts = counts_of(source)
    made = list(played(counts, EARS, tmp_path / "events.ndjson"))
    for name in METHODS:
        opened = [day for method, day, transition in made if method == name and transition["type"] == "opened"]
        assert opened == alarms(counts, name), name
