"""The rule files of a directory tree: found and read, within bounds."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path
from typing import Final

from rules.errors import RuleError, RuleErrors
from rules.files import read_text
from rules.rule_file import COMMON_FILE
from rules.yaml_source import MAX_FILE_BYTES

FEEDS_FILE: Final = "feeds.yaml"
MAX_FILES: Final = 2_000
MAX_CHARS: Final = 32_000_000
#: Files of any kind that are looked at.
MAX_ENTRIES: Final = 100_000
_DOUBT: Final = "is this a directory of rules?"


def is_rule_file(name: str) -> bool:
    return name.endswith((".yaml", ".yml")) and not name.endswith((".test.yaml", ".test.yml"))


def read_tree(directory: Path) -> tuple[dict[str, str], list[RuleError]]:
    """The texts of a directory's rule files by name, or of one file with the catalogue and constants beside it; and faults.

    Raises RuleErrors where there is no such directory, or far too much in it.
    """
    errors: list[RuleError] = []
    if directory.is_file():
        paths = [directory, directory.parent / FEEDS_FILE, directory.parent / COMMON_FILE]
        named = {path.name: path for path in paths if path.is_file()}
    elif directory.is_dir():
        named = dict(_walk(directory, errors))
    else:
        raise RuleErrors([RuleError(str(directory), 0, 0, "no such directory of rules")])
    if len(named) > MAX_FILES:
        raise RuleErrors([RuleError(str(directory), 0, 0, f"more than {MAX_FILES:,} YAML files", _DOUBT)])
    texts: dict[str, str] = {}
    size = 0
    for name, path in named.items():
        try:
            texts[name] = read_text(path, name, max_bytes=MAX_FILE_BYTES)
        except RuleErrors as refused:
            errors += refused.errors
            continue
        size += len(texts[name])
        if size > MAX_CHARS:
            raise RuleErrors([RuleError(name, 0, 0, f"more than {MAX_CHARS:,} characters in all files", _DOUBT)])
    return texts, errors


def _walk(directory: Path, errors: list[RuleError]) -> Iterator[tuple[str, Path]]:
    """Rule files by their relative names, in order; what begins with a dot is left alone, and no link to a directory is followed."""

    def shut(error: OSError) -> None:
        # Passing over it would mean that its rules were taken away.
        name = os.path.relpath(error.filename, directory)
        errors.append(RuleError(name, 0, 0, f"the directory cannot be read: {error.strerror}"))

    entries = 0
    for folder, folders, files in os.walk(directory, onerror=shut):
        entries += len(folders) + len(files)
        if entries > MAX_ENTRIES:
            raise RuleErrors([RuleError(str(directory), 0, 0, f"more than {MAX_ENTRIES:,} files", _DOUBT)])
        folders[:] = sorted(name for name in folders if not name.startswith("."))
        for file in sorted(files):
            path = Path(folder, file)
            name = path.relative_to(directory).as_posix()
            if file.startswith(".") or not (name == FEEDS_FILE or (is_rule_file(name) and file != FEEDS_FILE)):
                continue
            if not _is_utf8(name):
                errors.append(RuleError(name, 0, 0, "the name of the file is not UTF-8", "rename it"))
                continue
            yield name, path


def _is_utf8(name: str) -> bool:
    try:
        name.encode()
    except UnicodeEncodeError:
        return False
    return True
