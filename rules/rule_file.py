"""A file of rules, as far as YAML: its rules as nodes, its constants and templates."""

from __future__ import annotations

from collections.abc import Mapping as Names
from contextlib import suppress
from dataclasses import dataclass, replace
from typing import Final

from rules.constants import read_constants
from rules.errors import RuleErrors, did_you_mean
from rules.expansion import NAME
from rules.reader.reading import Flood, Report
from rules.yaml_source import Mapping, Node, Scalar, Sequence, parse_yaml

#: At the top of the directory: its constants and templates hold for all files.
COMMON_FILE: Final = "constants.yaml"
KEYS: Final = ("rules", "constants", "templates")


@dataclass(frozen=True)
class RuleFile:
    """``constants`` and ``templates`` are those that hold in the file: its own, and the common ones that it does not name anew."""

    report: Report
    rules: tuple[Node, ...]
    constants: dict[str, Scalar | None]
    templates: Names[str, Mapping]


def read_rule_file(name: str, text: str, common: RuleFile | None = None) -> RuleFile:
    """What cannot be read is in the report."""
    file = RuleFile(Report(name), (), common.constants if common else {}, common.templates if common else {})
    with suppress(Flood):
        root = _root(text, file.report)
        if root is None:
            return file
        # the rules first: whatever is wrong with the rest, they are read
        file = replace(file, rules=_rules(root.get("rules"), file.report))
        file = replace(file, templates={**file.templates, **_templates(root.get("templates"), file.report)})
        file = replace(file, constants=read_constants(root.get("constants"), file.constants, file.report))
    return file


def _root(text: str, report: Report) -> Mapping | None:
    try:
        root = parse_yaml(text, report.file, report.errors)
    except RuleErrors as error:
        report.errors += error.errors
        return None
    if root is None or (isinstance(root, Scalar) and root.is_null):
        return None
    if not isinstance(root, Mapping):
        hint = "put rules: above the list" if isinstance(root, Sequence) else ""
        report.at(root, "a file of rules begins with rules:", hint)
        return None
    for key, _ in root:
        if key.text not in KEYS:
            hint = did_you_mean(key.text, KEYS) or "a file holds a list under rules:"
            report.at(key, f"unknown key {key.text[:40]!r}", hint)
    return root


def _rules(listed: Node | None, report: Report) -> tuple[Node, ...]:
    if listed is None or (isinstance(listed, Scalar) and listed.is_null):
        return ()
    if not isinstance(listed, Sequence):
        report.at(listed, "rules must be a list", "each rule begins with - id:")
        return ()
    return listed.items


def _templates(node: Node | None, report: Report) -> dict[str, Mapping]:
    if node is None or (isinstance(node, Scalar) and node.is_null):
        return {}
    if not isinstance(node, Mapping):
        report.at(
            node,
            "templates is a mapping of names to the keys of a rule",
            "such as templates: {outfall: {feed: sensor}}",
        )
        return {}
    found: dict[str, Mapping] = {}
    for name, value in node:
        if not NAME.fullmatch(name.text.replace("-", "_").replace(".", "_")):
            report.at(
                name, f"{name.text[:40]!r} is no name for a template", "letters, digits, dots, hyphens and underscores"
            )
        elif not isinstance(value, Mapping):
            report.at(value, f"the template {name.text} must have the keys of a rule", "such as feed: sensor")
        elif value.get("template") is not None:
            report.at(value, f"the template {name.text} asks for another template", "a template has the keys of a rule")
        else:
            found[name.text] = value
    return found
