"""Rule files: found, read, checked all at once, and kept as the bundle that an activation record holds."""

from __future__ import annotations

import functools
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path

import msgspec

from events.feeds import CatalogError, FeedCatalog
from rules.errors import RuleError, RuleErrors
from rules.files import read_text
from rules.graph import Naming, arranged
from rules.model import Rule, RuleSet
from rules.reader.reading import MAX_FAULTS, Flood, Report, Setting
from rules.reader.rule import read_rule
from rules.rule_file import COMMON_FILE, read_rule_file
from rules.tables import Tables, read_below, read_from
from rules.templates import MAX_FAULTY, Faults, Made, made_of
from rules.tree import FEEDS_FILE, is_rule_file, read_tree
from rules.versions import bundle_version
from rules.yaml_source import MAX_FILE_BYTES, Node, Scalar
from rules.yaml_source import Mapping as MapNode
from rules.zones import zone_ms

DEFAULT_ZONE = "Asia/Shanghai"
MAX_RULES = 10_000

__all__ = ["DEFAULT_ZONE", "RuleError", "RuleErrors", "load_bundle", "load_catalog", "load_rules", "packs_directory"]


def packs_directory() -> Path:
    """Where the rules that come with the program stand: the default of ``up`` and ``demo``."""
    return Path(__file__).parent / "packs"


def load_rules(
    directory: Path | Mapping[str, str],
    catalog: FeedCatalog | None = None,
    *,
    zone: str = DEFAULT_ZONE,
    trial: Path | None = None,
) -> RuleSet:
    """All rules of a directory tree (or of one file, or of {name: text}), checked against the catalogue.

    The catalogue is the directory's own ``feeds.yaml`` over the built-in one, unless one is given. Raises RuleErrors with every
    fault at once. Windows from one day up begin at midnight of ``zone``, by its offset without summer time. ``trial``: one more file
    of rules, whose rules stand in for those of the directory that have the same ids.
    """
    if isinstance(directory, Mapping):
        texts, errors, tables = dict(directory), list[RuleError](), Tables(read_from(directory))
    else:
        texts, errors = read_tree(directory)
        tables = Tables(read_below(directory if directory.is_dir() else directory.parent))
    feeds = texts.pop(FEEDS_FILE, None)
    if catalog is None:
        catalog, faults = _catalog(feeds)
        errors += faults
    files = {name: text for name, text in sorted(texts.items()) if is_rule_file(name)}
    setting = Setting(catalog, zone_ms(zone), tables)
    if trial is not None:
        files = {str(trial): read_text(trial, str(trial), max_bytes=MAX_FILE_BYTES)} | files
    rules = _read_files(files, setting, errors, first=None if trial is None else str(trial))
    errors += tables.errors
    if errors:
        raise RuleErrors(errors)
    bundle: dict[str, object] = {"files": files | tables.texts, "feeds": catalog.text, "zone": zone}
    ordered = tuple(sorted(rules, key=lambda rule: rule.id))
    return RuleSet(rules=ordered, catalog=catalog, bundle=bundle, version=bundle_version(bundle))


def load_bundle(bundle: Mapping[str, object]) -> RuleSet:
    """The rule set of an activation record. Raises RuleErrors, as a newer version may refuse what an older one took.

    A log and its snapshots name the same few sets again and again, so the last ones are kept; nothing in them ever changes.
    """
    return _load_bundle(msgspec.json.encode(bundle, order="deterministic"))


@functools.lru_cache(maxsize=4)
def _load_bundle(text: bytes) -> RuleSet:
    bundle = msgspec.json.decode(text)
    files, feeds, zone = bundle["files"], bundle.get("feeds"), bundle.get("zone", DEFAULT_ZONE)
    catalog = FeedCatalog.parse(str(feeds)) if feeds is not None else FeedCatalog.builtin()
    return load_rules({str(name): str(text) for name, text in files.items()}, catalog, zone=str(zone))


def load_catalog(directory: Path | None) -> FeedCatalog:
    """The feeds of a rules directory (or of the one that a rule file stands in); the built-in ones where it has none. RuleErrors."""
    if directory is None:
        return FeedCatalog.builtin()
    path = (directory if directory.is_dir() else directory.parent) / FEEDS_FILE
    catalog, faults = _catalog(read_text(path, FEEDS_FILE, max_bytes=MAX_FILE_BYTES) if path.exists() else None)
    if faults:
        raise RuleErrors(faults)
    return catalog


def _catalog(text: str | None) -> tuple[FeedCatalog, list[RuleError]]:
    if text is None:
        return FeedCatalog.builtin(), []
    try:
        return FeedCatalog.parse(text, FEEDS_FILE), []
    except CatalogError as error:
        faults = [RuleError(fault.file, fault.line, fault.column, fault.message) for fault in error.errors]
        return FeedCatalog.builtin(), faults


def _read_files(
    files: Mapping[str, str], setting: Setting, errors: list[RuleError], *, first: str | None = None
) -> list[Rule]:
    """``first``: the file at the head whose rules stand in for others with their ids."""
    rules: list[Rule] = []
    taken: set[str] = set()
    namings: dict[str, list[Naming]] = {}
    places: dict[str, str] = {}
    for node, made in _made(files, setting.tables, errors):
        faults = Faults()
        for instance in made.instances:
            if first is not None:
                identity = _id_of(instance.node)
                if instance.report.file == first:
                    taken.add(identity)
                elif identity in taken:
                    continue
            with suppress(Flood):
                read = read_rule(instance.node, instance.report, setting)
                if read is not None:
                    rules.append(read[0])
                    namings[read[0].id] = read[1]
                _check_unique(instance.node, node, instance.report, places)
            faults.add(instance)
            if faults.rules == MAX_FAULTY:
                break
        errors += faults.errors()
        if len(errors) > MAX_FAULTS:
            break
    # where a rule could not be read, it would be missed by the rules that name it
    return rules if errors else arranged(rules, namings, errors)


def _made(files: Mapping[str, str], tables: Tables, errors: list[RuleError]) -> list[tuple[Node, Made]]:
    """Each node of ``rules:`` in all files, with the rules that are made of it. Nothing where there are too many."""
    common = read_rule_file(COMMON_FILE, files[COMMON_FILE]) if COMMON_FILE in files else None
    found: list[tuple[Node, Made]] = []
    count = 0
    for name, text in files.items():
        file = common if common and name == COMMON_FILE else read_rule_file(name, text, common)
        with suppress(Flood):
            for node in file.rules:
                made = made_of(node, file, tables)
                count += made.count
                if count > MAX_RULES:
                    errors.append(RuleError(name, node.line, node.column, f"more than {MAX_RULES:,} rules in all"))
                    return []
                found.append((node, made))
        errors += file.report.errors
    return found


def _id_of(node: Node) -> str:
    found = node.get("id") if isinstance(node, MapNode) else None
    return found.text if isinstance(found, Scalar) else ""


def _check_unique(node: Node, written: Node, report: Report, places: dict[str, str]) -> None:
    """Reports an id that another rule has, even where one of the two has other faults."""
    found = node.get("id") if isinstance(node, MapNode) else None
    if not isinstance(found, Scalar):
        return
    if found.text in places:
        report.at(found, f"the id {found.text[:128]} is taken", f"by the rule at {places[found.text]}")
    else:
        places[found.text] = f"{report.file}:{written.line}"
