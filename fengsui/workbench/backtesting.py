"""``fengsui rules backtest``: finds the history, runs, tells."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import click

from fengsui.exits import InputFault, ServiceMissing
from fengsui.replaying import check_files, files_progress
from fengsui.settings import Settings
from fengsui.workbench.backtest import Progress, Span, backtest_files, backtest_store
from fengsui.workbench.candidate import load_candidate
from fengsui.workbench.instants import given_instant
from fengsui.workbench.report import Report, to_json
from fengsui.workbench.report_text import lines
from fengsui.workbench.stored import opened_history


def run_backtest(
    rule: Path,
    files: Sequence[str],
    settings: Settings,
    *,
    since: str | None,
    until: str | None,
    json_file: Path | None,
    html_file: Path | None,
) -> None:
    """Runs and reports. RuleErrors, InputFault, SourceError, StoreError, ServiceMissing."""
    span = asked_span(since, until, zone=settings.zone)
    candidate = load_candidate(rule, settings.rules, zone=settings.zone)
    if files:
        check_files(files, "-")
        with files_progress(files, "回测 · backtest") as progress:
            report = backtest_files(candidate, files, span, zone=settings.zone, progress=progress)
    else:
        with opened_history(settings, candidate.played.catalog) as (source, place), _bar() as bar:
            report = backtest_store(candidate, source, place, span, zone=settings.zone, progress=bar)
    if "-" not in (str(json_file), str(html_file)):
        for line in lines(report):
            click.echo(line)
    write_reports(report, json_file, html_file)


def asked_span(since: str | None, until: str | None, *, zone: str) -> Span:
    """--from and --to. BadParameter."""
    return Span(given_instant(since, "--from", zone=zone), given_instant(until, "--to", zone=zone))


def write_reports(report: Report, json_file: Path | None, html_file: Path | None) -> None:
    """The report as files. InputFault, ServiceMissing."""
    from fengsui.workbench.report_html import page

    if json_file is not None:
        write(json_file, to_json(report))
    if html_file is not None:
        write(html_file, page(report).encode())


def write(file: Path, data: bytes) -> None:
    """A file, or standard output for ``-``."""
    if str(file) == "-":
        sys.stdout.buffer.write(data)
        return
    try:
        file.write_bytes(data)
    except OSError as error:
        if error.errno == 28:
            raise ServiceMissing(f"{file}: no space left to write to; free some, or write elsewhere") from None
        raise InputFault(f"{file}: cannot be written ({error.strerror})") from None
    click.echo(f"{file}", err=True)


@contextmanager
def _bar() -> Iterator[Progress | None]:
    """A bar on a terminal; nothing elsewhere."""
    if not sys.stderr.isatty():
        yield None
        return
    with click.progressbar(length=1000, label="回测 · backtest", file=sys.stderr, show_eta=True) as bar:
        done = 0

        def tell(part: float) -> None:
            nonlocal done
            now = int(part * 1000)
            if now > done:
                bar.update(now - done)
                done = now

        moved: Callable[[float], None] = tell
        yield moved
