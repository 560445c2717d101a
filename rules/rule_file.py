"""A file of rules, as far as YAML: its rules as nodes, its constants and templates."""

from __future__ import annotations

from collections.abc import Mapping as Names
from dataclasses import dataclass
from typing import Final

from rules.constants import read_constants
from rules.errors import RuleErrors, did_you_mean
from rules.expansion import NAME
from rules.reader.reading import Report
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
    report = Report(name)
    constants, templates = (common.constants, common.templates) if common else ({}, {})
    try:
        root = parse_yaml(text, name, report.errors)
    except RuleErrors as error:
        report.errors += error.errors
        return RuleFile(report, (), constants, templates)
    if root is None or (isinstance(root, Scalar) and root.is_null):
        return RuleFile(report, (), constants, templates)
    if not isinstance(root, Mapping):
        hint = "put rules: above the list" if isinstance(root, Sequence) else ""
        report.at(root, "a file of rules begins with rules:", hint)
        return RuleFile(report, (), constants, templates)
    for key, _ in root:
        if key.text not in KEYS:
            hint = did_you_mean(key.text, KEYS) or "a file holds a list under rules:"
            report.at(key, f"unknown key {key.text!r}", hint)
    constants = read_constants(root.get("constants"), constants, report)
    templates = {**templates, **_templates(root.get("templates"), report)}
    return RuleFile(report, _rules(root.get("rules"), report), constants, templates)


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
