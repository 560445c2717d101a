"""``fengsui replay``: its files, its progress bar and its summary line."""

from __future__ import annotations

import errno
import gc
import os
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO

import click

from events.times import parse_instant
from fengsui.exits import InputFault, ServiceMissing
from fengsui.settings import Settings
from rules.load import load_rules, packs_directory
from streams.replay import Progress, Summary, replay

_PACKED = (".gz", ".zst", ".parquet")
_DRAW_BYTES = 4 << 20


def run_replay(files: Sequence[str], settings: Settings, *, out: str, until: str | None, batch: int | None) -> None:
    """Replays and says on stderr what came of it. RuleErrors, SourceError, InputFault."""
    try:
        ruleset = load_rules(settings.rules or packs_directory(), zone=settings.zone)
        gc.freeze()  # modules and rules stay to the end
    finally:
        gc.enable()
    until_ms = _until(until)
    check_files(files, out)
    try:
        with _opened(out) as file, files_progress(files) as progress:
            summary = replay(files, ruleset, file, until_ms=until_ms, batch=batch, progress=progress)
    except BrokenPipeError:
        raise
    except OSError as error:  # reading has errors of its own
        if out == "-":  # or Python would try again at exit
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        if error.errno in {errno.ENOSPC, errno.EDQUOT}:
            raise ServiceMissing(f"{out}: no space left to write to; free some, or write elsewhere") from None
        raise InputFault(f"{out}: cannot be written ({error.strerror})") from None
    click.echo(_line(summary), err=True)


def _until(text: str | None) -> int | None:
    if text is None:
        return None
    if text.isascii() and text.lstrip("-").isdigit():  # as in events: epoch milliseconds
        return int(text)
    try:
        return parse_instant(text)
    except ValueError as error:
        raise click.BadParameter(f"{error}; such as 2026-01-01T08:00:00+08:00", param_hint="--until") from None


def check_files(files: Sequence[str], out: str) -> None:
    """Before anything is written: a wrong name in the list must not cost an hour, or the input."""
    if files.count("-") > 1:
        raise click.UsageError("standard input (-) can be read once only")
    for name in files:
        path = Path(name)
        if name == "-":
            continue
        if not path.exists():
            raise InputFault(f"{name}: no such file")
        if path.is_dir():
            raise InputFault(f"{name}: is a directory, not a file of events")
        if out != "-" and Path(out).exists() and path.samefile(out) and path.is_file():
            raise InputFault(f"{name}: is also --out; write to another file")


@contextmanager
def _opened(out: str) -> Iterator[BinaryIO]:
    """The output; a file appears under its name when it is whole."""
    if out == "-":
        yield sys.stdout.buffer
        sys.stdout.buffer.flush()
        return
    target = Path(out)
    if target.exists() and not target.is_file():  # a device or a pipe
        with target.open("wb") as file:
            yield file
        return
    partial = target.with_name(f".{target.name}.{os.getpid()}.partial")
    try:
        try:
            file = partial.open("wb")
        except OSError as error:
            raise InputFault(f"{out}: cannot be written ({error.strerror})") from None
        with file:
            yield file
        partial.replace(target)
    finally:
        partial.unlink(missing_ok=True)


@contextmanager
def files_progress(files: Sequence[str], label: str = "重放 · replay") -> Iterator[Progress | None]:
    """A bar on a terminal; nothing elsewhere. Sizes of compressed files and of standard input are not known."""
    if not sys.stderr.isatty():
        yield None
        return
    known = not any(name == "-" or name.endswith(_PACKED) for name in files)
    total = sum(Path(name).stat().st_size for name in files) if known else None
    done: dict[str, int] = {}
    if total is not None:
        with click.progressbar(length=total, label=label, file=sys.stderr, show_eta=True) as bar:
            yield lambda path, nbytes: bar.update(nbytes - done.get(path, 0), done.update({path: nbytes}))
        return
    shown = 0

    def tell(path: str, nbytes: int) -> None:
        nonlocal shown
        done[path] = nbytes
        read = sum(done.values())
        if read - shown >= _DRAW_BYTES:
            shown = read
            click.echo(f"\r{label} {read / 1e6:,.0f} MB", err=True, nl=False)

    yield tell
    click.echo("\r\033[K", err=True, nl=False)


def _line(summary: Summary) -> str:
    """The counts in one line."""
    rejected = sum(summary.rejected.values())
    why = (
        f" ({', '.join(f'{reason} {count}' for reason, count in sorted(summary.rejected.items()))})" if rejected else ""
    )
    keyless = sum(summary.keyless.values())
    after = f", after --until {summary.after:,}" if summary.after else ""
    first = ""
    if summary.first_rejected is not None:
        path, line, fault = summary.first_rejected
        first = f"first rejected {path}:{line}: {' '.join(fault.split())}; "
    made = sum(summary.transitions.values())
    kinds = f" ({', '.join(f'{kind} {count}' for kind, count in sorted(summary.transitions.items()))})" if made else ""
    return (
        f"read {summary.read:,}, accepted {summary.accepted:,}, duplicate {summary.duplicate:,}, rejected {rejected:,}{why}{after}, "
        f"late {summary.late:,}, keyless {keyless:,}; transitions {made:,}{kinds}; "
        f"{first}{summary.seconds:.2f} s, {summary.pace:,.0f} events/s"
    )
