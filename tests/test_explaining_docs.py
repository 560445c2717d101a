"""docs/explaining.md shows what the program says: every command in it is run, and its output compared."""

from __future__ import annotations

import re
import shlex
import shutil
from pathlib import Path

import pytest
from click.testing import CliRunner

from fengsui.cli import cli
from rules.load import packs_directory
from tests.served import serving
from tests.test_explanations import unversioned

ROOT = Path(__file__).parent.parent
DOCS = ROOT / "docs" / "explaining.md"
RECORDED = ROOT / "tests" / "explanations" / "events.ndjson"


def blocks(text: str) -> list[tuple[str, str]]:
    """(command, output) of every console block."""
    return re.findall(r"^```console\n\$ (fengsui [^\n]*)\n(.*?)^```", text, re.MULTILINE | re.DOTALL)


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A directory with the recorded events, and in data what a system made of them."""
    directory = tmp_path_factory.mktemp("docs")
    water = packs_directory() / "environment" / "water.yaml"
    with serving(directory, rules=water.read_text(encoding="utf-8")) as served:
        body = RECORDED.read_bytes()
        assert served.client.post("/api/v1/events", content=body).json()["rejected"] == []
        served.stored()
        assert served.until(lambda: served.client.get("/api/v1/alerts?rule=env.water.hour-record").json()["items"])
    shutil.rmtree(directory / "rules")
    shutil.copy(RECORDED, directory / "events.ndjson")
    return directory


@pytest.mark.parametrize("number", range(len(blocks(DOCS.read_text(encoding="utf-8")))))
def test_the_program_says_what_the_page_shows(number: int, place: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """After a change of words, run the command and put its output into the page."""
    command, output = blocks(DOCS.read_text(encoding="utf-8"))[number]
    monkeypatch.chdir(place)
    result = CliRunner().invoke(cli, shlex.split(command)[1:])
    assert result.exception is None, result.exception
    assert unversioned(result.stdout) == unversioned(output)


def test_the_page_shows_every_form() -> None:
    """What a rule does, why an alert opened, and why none did."""
    commands = [command for command, _ in blocks(DOCS.read_text(encoding="utf-8"))]
    assert {"--why-not", "--why", "--lang"} <= {word for command in commands for word in command.split()}
