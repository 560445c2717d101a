"""Rules made from a template: once with parameters, or once for each row of a list or of a table."""

from __future__ import annotations

from collections import ChainMap
from collections.abc import Iterator
from collections.abc import Mapping as Names
from dataclasses import dataclass, replace
from typing import Final

from rules.errors import RuleError, RuleErrors, did_you_mean
from rules.expansion import NAME, Expander, asks, size
from rules.reader.keys import MAKING
from rules.reader.reading import Report
from rules.rule_file import RuleFile
from rules.tables import TableFault, Tables
from rules.yaml_source import Mapping, Node, Scalar, Sequence

#: Rules of one template that may have faults before the others are left unread.
MAX_FAULTY: Final = 20
#: Values with a name in them, in all rules that one template makes.
MAX_VALUES: Final = 1_000_000
_SHOWN_CHARS: Final = 120


@dataclass(frozen=True)
class Instance:
    """A rule with its names replaced; ``made`` says from what, and is empty for a rule that stands as it is."""

    node: Node
    report: Report
    made: str = ""


class Faults:
    """The faults of the rules that one node stands for. One that several of them have is told once, with the first of them."""

    def __init__(self) -> None:
        #: that have faults
        self.rules = 0
        self._found: dict[RuleError, list[str]] = {}

    def add(self, instance: Instance) -> None:
        self.rules += bool(instance.report.errors)
        for error in instance.report.errors:
            self._found.setdefault(error, []).append(instance.made)

    def errors(self) -> Iterator[RuleError]:
        for error, made in self._found.items():
            more = f", and {len(set(made)) - 1} more" if len(set(made)) > 1 else ""
            yield replace(error, message=f"{error.message} [{made[0]}{more}]") if made[0] else error


@dataclass(frozen=True)
class _Row:
    """The parameters of one rule. ``keys``: where those stand that must be of use; a table may have others."""

    values: dict[str, Scalar | None]
    keys: dict[str, Scalar]
    where: str = ""


@dataclass(frozen=True)
class Made:
    """The rules that one node of ``rules:`` stands for: how many, and each as it is asked for."""

    count: int
    instances: Iterator[Instance]


def made_of(node: Node, file: RuleFile, tables: Tables) -> Made:
    """Each rule has a report of its own; of what they share, that of the file has the faults."""
    own = {key.text: (key, value) for key, value in node if key.text in MAKING} if isinstance(node, Mapping) else {}
    if not own:
        return Made(1, _as_it_is(node, file))
    assert isinstance(node, Mapping)
    body = _body(node, own, file)
    rows = _rows(own, file, tables)
    if body is None or rows is None:
        return Made(0, iter(()))
    changing = [(key, value) for key, value in body if asks(value)]
    if len(rows) * sum(size(value) for _, value in changing) > MAX_VALUES:
        message = f"the rules of this template come to more than {MAX_VALUES:,} values"
        file.report.at(node, message, "make several files of them")
        return Made(0, iter(()))
    template = own["template"][1] if "template" in own else None
    by = f"template {template.text}" if isinstance(template, Scalar) else "made"
    return Made(len(rows), _filled_in(body, changing, rows, file, f"{by} for {file.report.file}:{node.line}"))


def _as_it_is(node: Node, file: RuleFile) -> Iterator[Instance]:
    report = Report(file.report.file)
    yield Instance(Expander(file.constants, report).node(node), report)


def _filled_in(
    body: Mapping, changing: list[tuple[Scalar, Node]], rows: list[_Row], file: RuleFile, by: str
) -> Iterator[Instance]:
    for row in rows:
        report = Report(file.report.file)
        expander = Expander(ChainMap(row.values, file.constants), report)
        made = {key.text: expander.node(value) for key, value in changing}
        for parameter, key in row.keys.items():
            if parameter not in expander.used and not report.errors:
                report.at(key, f"the parameter {parameter} is used nowhere")
        entries = tuple((key, made.get(key.text, value)) for key, value in body)
        yield Instance(replace(body, entries=entries), report, f"{by}{_shown(row)}")


def _body(node: Mapping, own: Names[str, tuple[Scalar, Node]], file: RuleFile) -> Mapping | None:
    """The keys of the template under those of the rule."""
    entries = tuple((key, value) for key, value in node if key.text not in MAKING)
    if "template" not in own:
        return replace(node, entries=entries)
    _, value = own["template"]
    name = value.text if isinstance(value, Scalar) else ""
    template = file.templates.get(name)
    if template is None:
        hint = (
            did_you_mean(name, file.templates) or "templates stand under templates: in this file, or in constants.yaml"
        )
        file.report.at(value, f"unknown template {name[:40]!r}", hint)
        return None
    given = {key.text for key, _ in entries}
    return replace(node, entries=(*((key, value) for key, value in template if key.text not in given), *entries))


def _rows(own: Names[str, tuple[Scalar, Node]], file: RuleFile, tables: Tables) -> list[_Row] | None:
    if "with" in own and "for_each" in own:
        file.report.at(own["for_each"][0], "with and for_each do not go together", "put the parameters into each row")
        return None
    if "with" in own:
        row = _row(own["with"][1], "with", file)
        return None if row is None else [row]
    if "for_each" not in own:
        return [_Row({}, {})]
    key, value = own["for_each"]
    if isinstance(value, Scalar) and not value.is_null:
        return _table(value, file.report, tables)
    if not isinstance(value, Sequence) or not value.items:
        file.report.at(key, "for_each is a list of mappings, or a table", "such as for_each: outfalls.csv")
        return None
    rows = [_row(item, "a row of for_each", file) for item in value.items]
    return None if None in rows else [row for row in rows if row is not None]


def _row(node: Node, what: str, file: RuleFile) -> _Row | None:
    """Parameters as a person wrote them; constants in them are replaced."""
    if not isinstance(node, Mapping) or not node.entries:
        file.report.at(node, f"{what} is a mapping of parameters", "such as {limit: 50}")
        return None
    values: dict[str, Scalar | None] = {}
    keys: dict[str, Scalar] = {}
    expander = Expander(file.constants, file.report)
    for key, value in node:
        if not NAME.fullmatch(key.text):
            file.report.at(key, f"{key.text[:40]!r} is no name for a parameter", "letters, digits and underscores")
        elif not isinstance(value, Scalar) or value.is_null:
            file.report.at(value, f"the parameter {key.text} must be a single value", "such as limit: 50")
        else:
            values[key.text] = expander.value(value)
            keys[key.text] = key
    return _Row(values, keys) if len(values) == len(node.entries) else None


def _table(node: Scalar, report: Report, tables: Tables) -> list[_Row] | None:
    """The columns of a table are the parameters, their names in its first row."""
    try:
        rows = tables.rows(node.text)
    except TableFault as fault:
        report.at(node, fault.message, fault.hint)
        return None
    except RuleErrors as error:
        tables.errors |= set(error.errors)
        return None
    header = rows[0].cells if rows else ()
    wrong = next((cell for cell in header if not NAME.fullmatch(cell) or header.count(cell) > 1), None)
    if wrong is not None or not header:
        hint = "its first row names the parameters: letters, digits and underscores, each once"
        report.at(
            node,
            f"{node.text[:80]}: {wrong!r} is no name for a parameter" if header else f"{node.text[:80]} is empty",
            hint,
        )
        return None
    return [
        _Row(
            {
                name: Scalar(cell, "", row.line, 1, cell, node.text)
                for name, cell in zip(header, row.cells, strict=True)
            },
            {},
            f", {node.text}:{row.line}",
        )
        for row in rows[1:]
    ]


def _shown(row: _Row) -> str:
    shown = ", ".join(f"{name}={value.text}" for name, value in row.values.items() if value)
    shown = shown if len(shown) <= _SHOWN_CHARS else shown[: _SHOWN_CHARS - 1] + "…"
    return f"{row.where}: {shown}" if shown else row.where
