"""``fengsui rules test``: the fixtures beside the rules, their differences, and the report for machines."""

from __future__ import annotations

import time
from fnmatch import fnmatchcase
from pathlib import Path

import click

from fengsui.exits import InputFault
from fengsui.workbench.coverage import cover
from fengsui.workbench.fixture import Fixture
from fengsui.workbench.fixture_files import ENDINGS, load_fixtures
from fengsui.workbench.junit import junit, junit_refusal
from fengsui.workbench.telling import Line, tell_counts, tell_coverage, tell_failure
from fengsui.workbench.trials import run_trials
from rules.errors import RuleErrors
from rules.load import load_rules
from rules.model import RuleSet
from rules.zones import zone_ms


def run_tests(directory: Path, *, zone: str, pattern: str | None, report: Path | None, processes: int | None) -> bool:
    """Runs and says on stdout what came of it -> whether all passed. RuleErrors, InputFault."""
    began = time.perf_counter()
    try:
        ruleset, fixtures = _load(directory, zone)
    except (RuleErrors, InputFault) as error:
        if report is not None:
            _write(report, junit_refusal(str(directory), str(error)))
        raise
    rules = [rule for rule in ruleset.rules if pattern is None or fnmatchcase(rule.id, pattern)]
    names = {rule.id for rule in rules}
    chosen = [fixture for fixture in fixtures if not names.isdisjoint(fixture.rules)]
    if not chosen:
        raise InputFault(f"{directory}: no test of a rule {pattern!r}; the pattern is an id, or such as 'env.water.*'")
    trials = run_trials(chosen, ruleset, processes=processes)
    verdicts = [trial.verdict for trial in trials]
    if report is not None:
        _write(report, junit(trials))
    for verdict in verdicts:
        if not verdict.passed:
            for line in tell_failure(verdict):
                _echo(line)
            click.echo()
    _echo(tell_counts(verdicts, len(rules), time.perf_counter() - began))
    for line in tell_coverage(cover(rules, verdicts)):
        _echo(line)
    return all(verdict.passed for verdict in verdicts)


def _load(directory: Path, zone: str) -> tuple[RuleSet, tuple[Fixture, ...]]:
    if directory.name.endswith(ENDINGS):
        raise InputFault(
            f"{directory}: give the directory of rules, or the rule file beside it; --rule picks single rules"
        )
    ruleset = load_rules(directory, zone=zone)
    fixtures = load_fixtures(directory, ruleset, zone_ms(zone))
    if not fixtures:
        raise InputFault(
            f"{directory}: no tests in it; they stand in *.test.yaml beside the rules (docs/rules-testing.md)"
        )
    return ruleset, fixtures


def _echo(line: Line) -> None:
    text, colour = line
    click.echo(click.style(text, fg=colour) if colour else text)


def _write(report: Path, data: bytes) -> None:
    try:
        report.write_bytes(data)
    except OSError as error:
        raise InputFault(f"{report}: cannot be written ({error.strerror})") from None
