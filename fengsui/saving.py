"""``fengsui backup`` and ``restore``: what is shown while they work, and the line at the end."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import click

from fengsui.backup import Manifest, Progress, backup, restore

_DRAW_BYTES = 8 << 20


def run_backup(data: Path, to: Path) -> None:
    """Raises as :func:`fengsui.backup.backup`."""
    with _progress() as progress:
        manifest = backup(data, to, progress=progress)
    click.echo(f"已备份 · backed up {_told(manifest)} -> {to} ({to.stat().st_size / 1e6:,.1f} MB)")


def run_restore(source: Path, data: Path) -> None:
    """Raises as :func:`fengsui.backup.restore`."""
    with _progress() as progress:
        manifest = restore(source, data, progress=progress)
    click.echo(f"已恢复 · restored {_told(manifest)} -> {data}; fengsui up --data {data}")


def _told(manifest: Manifest) -> str:
    events = manifest.newest.get("log/events.sqlite", 0)
    transitions = manifest.newest.get("log/transitions.sqlite", 0)
    return f"{len(manifest.files)} files, event log up to {events:,}, transitions up to {transitions:,}"


@contextmanager
def _progress() -> Iterator[Progress | None]:
    """What is being done and how far, on a terminal; nothing elsewhere."""
    if not sys.stderr.isatty():
        yield None
        return
    shown = ("", 0)

    def tell(what: str, done: int, total: int) -> None:
        nonlocal shown
        if what == shown[0] and done - shown[1] < _DRAW_BYTES and done != total:
            return
        shown = (what, done)
        part = f" {done / total:4.0%} of {total / 1e6:,.0f} MB" if total else ""
        click.echo(f"\r\033[K{what}{part}", err=True, nl=False)

    yield tell
    click.echo("\r\033[K", err=True, nl=False)
