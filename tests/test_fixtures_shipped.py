"""The fixtures that come with the packs pass, and show every rule and every rung of its ladder, firing and not."""

from __future__ import annotations

import pytest

from fengsui.workbench.coverage import Coverage, cover
from fengsui.workbench.fixture_files import load_fixtures
from fengsui.workbench.telling import tell_failure
from fengsui.workbench.trials import Trial, run_trials
from rules.load import load_rules, packs_directory
from rules.model import RuleSet

ZONE_MS = 28_800_000


@pytest.fixture(scope="module")
def packs() -> RuleSet:
    return load_rules(packs_directory())


@pytest.fixture(scope="module")
def trials(packs) -> list[Trial]:
    return run_trials(load_fixtures(packs_directory(), packs, ZONE_MS), packs, processes=1)


def test_every_shipped_fixture_passes(trials):
    """What the rules do is what their fixtures say."""
    failed = [text for trial in trials if not trial.verdict.passed for text, _ in tell_failure(trial.verdict)]
    assert not failed, "\n".join(failed)


def test_every_shipped_rule_has_a_fixture_that_fires_and_one_that_does_not(packs, trials):
    """And so has each rung of a ladder."""
    made = cover(packs.rules, [trial.verdict for trial in trials])
    assert made == Coverage(len(packs.rules), made.rungs, (), (), (), ())
    assert made.rungs > 100


def test_every_rule_file_has_its_fixtures_beside_it(packs, trials):
    """A reader of a rule finds its tests by the name of its file."""
    beside = {rule.id: rule.place.file.removesuffix(".yaml") + ".test.yaml" for rule in packs.rules}
    for trial in trials:
        fixture = trial.verdict.fixture
        assert any(fixture.place.file.endswith(beside[rule]) for rule in fixture.rules), fixture.title


def test_no_fixture_takes_long(trials):
    """All of them together are a matter of seconds."""
    assert sum(trial.seconds for trial in trials) < 60
