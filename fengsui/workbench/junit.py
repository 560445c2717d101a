"""JUnit XML, as continuous integration systems read it: a suite for each file, a case for each test."""

from __future__ import annotations

import re
from collections.abc import Sequence
from itertools import groupby
from xml.etree import ElementTree as ET

from fengsui.workbench.telling import tell_failure
from fengsui.workbench.trials import Trial

#: What XML 1.0 has no way to write.
_UNWRITABLE = re.compile("[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")


def junit(trials: Sequence[Trial]) -> bytes:
    """The report as a file, UTF-8."""
    root = ET.Element("testsuites", {"name": "fengsui rules test"} | _counts(trials))
    for file, group in groupby(trials, key=lambda trial: trial.verdict.fixture.place.file):
        some = list(group)
        suite = ET.SubElement(root, "testsuite", {"name": _clean(file)} | _counts(some))
        for trial in some:
            _case(suite, trial)
    return _written(root)


def junit_refusal(directory: str, faults: str) -> bytes:
    """The report where nothing could run: one case, which stands for all."""
    counts = {"tests": "1", "failures": "0", "errors": "1", "time": "0"}
    root = ET.Element("testsuites", {"name": "fengsui rules test"} | counts)
    suite = ET.SubElement(root, "testsuite", {"name": _clean(directory)} | counts)
    case = ET.SubElement(suite, "testcase", classname=_clean(directory), name="加载 · load", time="0")
    error = ET.SubElement(case, "error", type="load", message=_clean(faults.partition("\n")[0]))
    error.text = _clean(faults)
    return _written(root)


def _counts(trials: Sequence[Trial]) -> dict[str, str]:
    failed = sum(not trial.verdict.passed for trial in trials)
    seconds = sum(trial.seconds for trial in trials)
    return {"tests": str(len(trials)), "failures": str(failed), "errors": "0", "time": f"{seconds:.3f}"}


def _case(suite: ET.Element, trial: Trial) -> None:
    verdict = trial.verdict
    fixture = verdict.fixture
    case = ET.SubElement(
        suite,
        "testcase",
        classname=_clean(", ".join(fixture.rules)),
        name=_clean(fixture.title),
        file=_clean(fixture.place.file),
        line=str(fixture.place.line),
        time=f"{trial.seconds:.3f}",
    )
    if verdict.passed:
        return
    wrong = sum(row.kind != "same" for row in verdict.rows) + len(verdict.problems)
    failure = ET.SubElement(case, "failure", type="fixture", message=f"{wrong} 处不符 · not as expected: {wrong}")
    failure.text = _clean("\n".join(text for text, _ in tell_failure(verdict)))


def _written(root: ET.Element) -> bytes:
    ET.indent(root)
    made: bytes = ET.tostring(root, encoding="utf-8", xml_declaration=True)
    return made + b"\n"


def _clean(text: str) -> str:
    return _UNWRITABLE.sub("\ufffd", text)
