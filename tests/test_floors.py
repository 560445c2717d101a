"""The floors of ARCHITECTURE.md: an import only ever goes down."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
FLOORS = {
    "events": set(),
    "rules": {"events"},
    "detectors": {"events"},
    "streams": {"events", "rules", "detectors"},
    "sinks": {"events", "rules", "detectors", "streams"},
    "dashboards": {"events", "rules", "detectors", "streams", "sinks"},
    "fengsui": {"events", "rules", "detectors", "streams", "sinks", "dashboards"},
}
#: The edges: where the wall clock may be read.
EDGES = ("fengsui/", "dashboards/server/", "streams/embedded.py", "streams/gateway/", "sinks/consumer.py")
#: Durations for figures only, never for a decision.
STOPWATCH = {"perf_counter", "monotonic"}


def modules(package: str) -> Iterator[Path]:
    return (path for path in sorted((ROOT / package).rglob("*.py")) if "node_modules" not in path.parts)


def imports(path: Path) -> set[str]:
    names: set[str] = set()
    for node in ast.walk(ast.parse(path.read_text("utf-8"))):
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
            names.add(node.module)
    return names


@pytest.mark.parametrize("package", FLOORS)
def test_imports_go_down(package: str) -> None:
    """No module imports from its own height or above."""
    allowed = FLOORS[package] | {package}
    for path in modules(package):
        tops = {name.split(".")[0] for name in imports(path)}
        assert tops & FLOORS.keys() <= allowed, f"{path.relative_to(ROOT)} imports {tops & FLOORS.keys() - allowed}"


def test_only_two_places_know_prometheus() -> None:
    """Metrics are named in streams/metrics.py and shown by dashboards/server."""
    for package in FLOORS:
        for path in modules(package):
            place = path.relative_to(ROOT).as_posix()
            if place != "streams/metrics.py" and not place.startswith("dashboards/server/"):
                assert not any(name.startswith("prometheus_client") for name in imports(path)), place


def test_only_the_edges_read_the_wall_clock() -> None:
    """Time enters by the log."""
    for package in FLOORS:
        for path in modules(package):
            place = path.relative_to(ROOT).as_posix()
            if place.startswith(EDGES):
                continue
            for node in ast.walk(ast.parse(path.read_text("utf-8"))):
                if not isinstance(node, ast.Attribute):
                    continue
                text = ast.unparse(node)
                assert text not in {"time.time", "time.time_ns", "datetime.now", "datetime.utcnow"}, f"{place}: {text}"


def test_nothing_unpickles() -> None:
    """Untrusted bytes are never unpickled or evaluated."""
    for package in FLOORS:
        for path in modules(package):
            names = imports(path)
            assert not names & {"pickle", "marshal", "shelve", "dill", "cloudpickle"}, path
            calls = {
                node.func.id
                for node in ast.walk(ast.parse(path.read_text("utf-8")))
                if isinstance(node, ast.Call) and isinstance(node.func, ast.Name)
            }
            assert not calls & {"eval", "exec"}, path


def test_the_page_names_every_floor() -> None:
    """ARCHITECTURE.md lists the packages that there are."""
    named = set(re.findall(r"^\| `(\w+)/` \|", (ROOT / "ARCHITECTURE.md").read_text("utf-8"), re.MULTILINE))
    assert named == set(FLOORS)
