"""numba is an accelerator, never a condition."""

from __future__ import annotations

import subprocess
import sys

SCRIPT = """
import sys
sys.modules["numba"] = None  # as if it were not installed
from tests.timeline import Timeline, told
line = Timeline(
    "id: a\\nfeed: sensor\\nwindow: {hopping: 2m, every: 1m}\\nmeasure: {mean: avg(value), sd: stddev(value)}"
    "\\nwhen: mean > 10\\nseverity: red",
    "id: b\\nfeed: sensor\\nwindow: {sliding: 1m}\\nmeasure: {top: max(value)}\\nwhen: top > 10\\nseverity: red",
    "id: c\\nfeed: sensor\\nabsent: 5m\\nseverity: red",
    "id: d\\nfeed: sensor\\nwhen: value > 10\\nseverity: red",
)
line.values((0, 20), (10, 30), (70, 1), (800, 1))
line.end()
print([(t.rule, *told([t])[0]) for t in line.made])
"""


def test_the_same_without_numba() -> None:
    """Without numba the same loops run as plain Python and give the same alerts."""
    plain = subprocess.run([sys.executable, "-c", SCRIPT], capture_output=True, text=True, check=True)
    compiled = SCRIPT.replace('sys.modules["numba"] = None', "")
    assert (
        plain.stdout
        == subprocess.run([sys.executable, "-c", compiled], capture_output=True, text=True, check=True).stdout
    )
    assert "('a', 'opened', 60.0)" in plain.stdout
