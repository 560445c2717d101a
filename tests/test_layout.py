"""What stands in the way of a data directory is named."""

from __future__ import annotations

from pathlib import Path

import pytest

from fengsui.layout import DataDirectory
from streams.log.errors import LogBroken


@pytest.mark.parametrize("below", ["", "deeper/data"])
def test_a_file_in_its_place_is_named(tmp_path: Path, below: str) -> None:
    """It is not blamed on the disk."""
    (tmp_path / "data").write_text("mine")
    with pytest.raises(LogBroken, match="is no directory") as refused:
        DataDirectory(tmp_path / "data" / below).open()
    assert "disk" not in str(refused.value).replace(str(tmp_path), "")
    assert (tmp_path / "data").read_text() == "mine"
