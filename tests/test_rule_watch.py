"""The watch over rule files: what counts as a change, when it has come to rest, and what happens to the directory itself."""

from __future__ import annotations

import os
import shutil
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from fengsui.rule_watch import RuleWatch, digest
from tests.running import eventually

QUIET_S = 0.3
LOOK_S = 0.5


class Reader:
    """Stands where the rule book does: keeps what the directory's digest was at each call."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        self.read: list[str] = []
        self.answers: list[bool] = []
        self.called = threading.Event()

    def __call__(self) -> bool:
        self.read.append(digest(self.directory))
        self.called.set()
        return self.answers.pop() if self.answers else True

    def rests_at(self, times: int) -> None:
        """It was called so often by now, and is not called again."""
        eventually(lambda: len(self.read) >= times, within_s=20)
        time.sleep(LOOK_S + 2 * QUIET_S)
        assert len(self.read) == times
        assert not times or self.read[-1] == digest(self.directory)


@contextmanager
def watching(directory: Path) -> Iterator[Reader]:
    reader = Reader(directory)
    watch = RuleWatch(directory, reader, look_s=LOOK_S, quiet_s=QUIET_S)
    watch.start()
    try:
        time.sleep(LOOK_S)  # until the notices are on
        yield reader
    finally:
        watch.stop()


@pytest.fixture
def directory(tmp_path: Path) -> Path:
    made = tmp_path / "rules"
    (made / "deep").mkdir(parents=True)
    (made / "a.yaml").write_text("rules: []\n")
    (made / "deep" / "b.yml").write_text("rules: []\n")
    return made


def test_a_save_is_one_change(directory: Path) -> None:
    """In place; by a new file renamed over the old; by taking the old one away first, as some editors do."""
    with watching(directory) as reader:
        (directory / "a.yaml").write_text("rules: [ ]\n")
        reader.rests_at(1)
        (directory / ".a.yaml.swp").write_text("rules: [  ]\n")
        (directory / ".a.yaml.swp").replace(directory / "a.yaml")
        reader.rests_at(2)
        (directory / "deep" / "b.yml").rename(directory / "deep" / "b.yml~")
        (directory / "deep" / "b.yml").write_text("rules: [   ]\n")
        (directory / "deep" / "b.yml~").unlink()
        reader.rests_at(3)


def test_many_files_in_a_moment_are_one_change(directory: Path) -> None:
    """As a checkout writes them, one after the other, new directories among them."""
    with watching(directory) as reader:
        for number in range(40):
            folder = directory / f"new{number % 4}"
            folder.mkdir(exist_ok=True)
            (folder / f"{number}.yaml").write_text(f"rules: []  # {number}\n")
            time.sleep(QUIET_S / 30)
        reader.rests_at(1)


def test_a_file_is_not_read_while_it_is_written(directory: Path) -> None:
    """It comes in pieces; only the whole is read."""
    with watching(directory) as reader:
        with (directory / "a.yaml").open("w") as file:
            for piece in ("rules:\n", "  - id: x\n", "    title: t\n", "    when: ", "TRUE\n"):
                file.write(piece)
                file.flush()
                time.sleep(QUIET_S / 6)
        reader.rests_at(1)


def test_what_changes_no_text_changes_nothing(directory: Path) -> None:
    """A new time stamp, the same text again, fixtures, hidden files and notes beside the rules."""
    with watching(directory) as reader:
        os.utime(directory / "a.yaml", (1, 1))
        text = (directory / "a.yaml").read_text()
        (directory / "a.yaml").unlink()
        (directory / "a.yaml").write_text(text)
        (directory / "a.test.yaml").write_text("tests: []\n")
        (directory / "README.md").write_text("notes\n")
        (directory / ".hidden.yaml").write_text("rules: 1\n")
        (directory / ".git").mkdir()
        (directory / ".git" / "HEAD").write_text("ref\n")
        reader.rests_at(0)


@pytest.mark.parametrize("name", ["feeds.yaml", "constants.yaml", "lists/polluters.csv"])
def test_what_rules_are_made_of_counts(directory: Path, name: str) -> None:
    """Feeds, constants, lists and tables; their end, too."""
    (directory / "lists").mkdir()
    with watching(directory) as reader:
        (directory / name).write_text("x\n")
        reader.rests_at(1)
        (directory / name).unlink()
        reader.rests_at(2)


def test_the_directory_may_go_and_come_back(directory: Path) -> None:
    """Taken away, put back as another directory, and changed in there."""
    with watching(directory) as reader:
        shutil.move(directory, directory.with_name("away"))
        reader.rests_at(1)
        shutil.copytree(directory.with_name("away"), directory)
        reader.rests_at(2)
        (directory / "a.yaml").write_text("rules: [ ]\n")
        reader.rests_at(3)


def test_a_link_may_be_put_onto_another_directory(directory: Path, tmp_path: Path) -> None:
    """As deployments and mounted configuration do: the new tree stands beside the old, and the link moves."""
    (tmp_path / "v2").mkdir()
    (tmp_path / "v2" / "a.yaml").write_text("rules: [ ]\n")
    (tmp_path / "now").symlink_to(directory)
    with watching(tmp_path / "now") as reader:
        (tmp_path / "then").symlink_to(tmp_path / "v2")
        (tmp_path / "then").replace(tmp_path / "now")
        reader.rests_at(1)
        (tmp_path / "v2" / "a.yaml").write_text("rules: [  ]\n")
        reader.rests_at(2)


def test_without_notices_the_files_are_looked_at(directory: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A network file system tells nothing of what another machine writes: here the notices come from another directory."""
    import fengsui.rule_watch

    silent = directory.with_name("silent")
    silent.mkdir()
    real = fengsui.rule_watch.watch
    monkeypatch.setattr(fengsui.rule_watch, "watch", lambda _, **options: real(silent, **options))
    with watching(directory) as reader:
        (directory / "a.yaml").write_text("rules: [ ]\n")
        reader.rests_at(1)


def test_not_now_means_again(directory: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What is good but could not be put in force is read again without a new change, until it could."""
    monkeypatch.setattr("fengsui.rule_watch.AGAIN_S", 0.2)
    with watching(directory) as reader:
        reader.answers = [True, False, False]
        (directory / "a.yaml").write_text("rules: [ ]\n")
        reader.rests_at(3)


def test_one_file_is_watched_with_what_is_beside_it(directory: Path) -> None:
    """Where --rules names a file."""
    with watching(directory / "a.yaml") as reader:
        (directory / "a.yaml").write_text("rules: [ ]\n")
        reader.rests_at(1)
        (directory / "feeds.yaml").write_text("feeds: {}\n")
        reader.rests_at(2)


def test_a_change_before_the_start_is_not_missed(directory: Path) -> None:
    """Between the first look and the start of the thread."""
    reader = Reader(directory)
    watch = RuleWatch(directory, reader, look_s=LOOK_S, quiet_s=QUIET_S)
    (directory / "a.yaml").write_text("rules: [ ]\n")
    watch.start()
    try:
        reader.rests_at(1)
    finally:
        watch.stop()
