"""``fengsui rules tune``: finds the history, searches, tells."""

from __future__ import annotations

import time
from collections.abc import Sequence
from contextlib import ExitStack
from pathlib import Path

import click

from fengsui.exits import InputFault
from fengsui.replaying import check_files
from fengsui.settings import Settings
from fengsui.workbench.backtest import RecordedRun, Span, StoredRun, Stretch
from fengsui.workbench.backtesting import asked_span, write
from fengsui.workbench.candidate import Candidate, load_candidate
from fengsui.workbench.opening import Opening
from fengsui.workbench.stage import Stage
from fengsui.workbench.stored import opened_history
from fengsui.workbench.tune import Tuned, changed_line, chosen_place, chosen_rule, places_of, tune
from fengsui.workbench.tune_report import lines, page, to_json
from rules.model import RuleSet


def run_tune(
    file: Path,
    files: Sequence[str],
    settings: Settings,
    *,
    wanted: float,
    named: str | None,
    number: float | None,
    position: int | None,
    since: str | None,
    until: str | None,
    json_file: Path | None,
    html_file: Path | None,
) -> None:
    """Searches and reports; the rule's file is left alone. RuleErrors, InputFault, SourceError, StoreError, ServiceMissing."""
    span = asked_span(since, until, zone=settings.zone)
    candidate = load_candidate(file, settings.rules, zone=settings.zone)
    rule = chosen_rule(candidate, named)
    places = places_of(rule)
    place = chosen_place(rule, places, number=number, position=position)
    began_s = time.perf_counter()
    with ExitStack() as stack:
        run: StoredRun | RecordedPlay
        if files:
            check_files(files, "-")
            if "-" in files:
                raise InputFault("standard input can be read once only, and tuning reads several times: give a file")
            run = RecordedPlay(candidate, files, span)
        else:
            source, called = stack.enter_context(opened_history(settings, candidate.played.catalog))
            run = StoredRun(source, called, candidate.played, candidate.ids, span)
        found, replays = tune(
            candidate, rule, place, wanted=wanted, play=run.play, stretch=run.stretch, zone=settings.zone
        )
    tuned = Tuned(
        rule,
        place,
        places,
        wanted,
        found,
        run.stretch,
        run.place,
        run.read,
        replays,
        time.perf_counter() - began_s,
        changed_line(file, rule, place, found.proposed.value),
    )
    if "-" not in (str(json_file), str(html_file)):
        for line in lines(tuned, settings.zone):
            click.echo(line)
    if json_file is not None:
        write(json_file, to_json(tuned))
    if html_file is not None:
        write(html_file, page(tuned, settings.zone).encode())


class RecordedPlay:
    """Event files, replayed as often as is asked."""

    def __init__(self, candidate: Candidate, files: Sequence[str], span: Span) -> None:
        self._candidate = candidate
        self._run = RecordedRun(files, candidate.played, span)
        self.place = ", ".join(files)
        if span.from_ms is None or span.to_ms is None:
            self._run.play(())
            if self._run.oldest_ms is None or self._run.newest_ms is None:
                raise InputFault(f"{self.place}: no events in it")
            from_ms = self._run.oldest_ms if span.from_ms is None else span.from_ms
            to_ms = self._run.newest_ms + 1 if span.to_ms is None else span.to_ms
        else:
            from_ms, to_ms = span.from_ms, span.to_ms
        if from_ms >= to_ms:
            raise InputFault("--from must lie before --to")
        self.stretch = Stretch(from_ms, from_ms, to_ms)

    @property
    def read(self) -> int:
        return self._run.read

    def play(self, ruleset: RuleSet, watched: frozenset[str]) -> list[Opening]:
        """What the watched rules of a set would have opened."""
        stage = Stage(ruleset, watched, self._candidate.feeds, self.stretch.to_ms)
        self._run.play([stage])
        return stage.openings(self.stretch.from_ms)
