"""Where fixtures stand: ``*.test.yaml`` beside the rules that they are about."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

from fengsui.workbench.fixture import Fixture
from fengsui.workbench.fixture_reader import read_fixtures
from rules.errors import RuleError, RuleErrors
from rules.model import RuleSet
from rules.yaml_source import MAX_FILE_BYTES

ENDINGS = (".test.yaml", ".test.yml")
MAX_FILES = 2_000


def load_fixtures(directory: Path, ruleset: RuleSet, zone_ms: int) -> tuple[Fixture, ...]:
    """All fixtures of a directory tree (of a rule file: of the file beside it). Raises RuleErrors with every fault at once."""
    errors: list[RuleError] = []
    fixtures: list[Fixture] = []
    paths = list(_find(directory))
    if len(paths) > MAX_FILES:
        raise RuleErrors([RuleError(str(directory), 0, 0, f"more than {MAX_FILES:,} files of tests")])
    for path in paths:
        try:
            fixtures += read_fixtures(_text(path), str(path), ruleset, zone_ms)
        except RuleErrors as error:
            errors += error.errors
    if errors:
        raise RuleErrors(errors)
    return tuple(fixtures)


def _find(directory: Path) -> Iterator[Path]:
    """In order; what begins with a dot is left alone, as with rules."""
    if directory.is_file():
        yield from (path for ending in ENDINGS if (path := directory.with_name(directory.stem + ending)).is_file())
        return
    for folder, folders, files in os.walk(directory):
        folders[:] = sorted(name for name in folders if not name.startswith("."))
        yield from (Path(folder, file) for file in sorted(files) if file.endswith(ENDINGS) and not file.startswith("."))


def _text(path: Path) -> str:
    try:
        with path.open("rb") as stream:
            data = stream.read(MAX_FILE_BYTES + 1)
        return data.decode("utf-8-sig")
    except OSError as error:
        raise RuleErrors([RuleError(str(path), 0, 0, f"cannot be read: {error.strerror}")]) from None
    except UnicodeDecodeError as error:
        line = data[: error.start].count(b"\n") + 1
        raise RuleErrors([RuleError(str(path), line, 1, "the file is not UTF-8", "save it as UTF-8")]) from None
