"""``fengsui gateway``: a door of a cluster, with the rules directory where it is given one, until a signal."""

from __future__ import annotations

import logging
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import dataclass
from socket import socket
from typing import Any

from dashboards.server.auth import Auth
from dashboards.server.intake_app import create_intake_app
from dashboards.server.services import Rules
from dashboards.server.services import Settings as ServerSettings
from fengsui.cluster import cluster_of, quiet_clients
from fengsui.cluster_rules import ClusterRules
from fengsui.rule_watch import RuleWatch
from fengsui.rulebook import Rulebook
from fengsui.settings import Settings
from fengsui.up import bind, configure_logging, run_server, wall_ms
from fengsui.version import __version__
from rules.load import packs_directory
from rules.model import RuleSet
from streams.cluster.identity import open_cluster
from streams.cluster.inbox import Inbox
from streams.cluster.kafka_door import KafkaDoor
from streams.cluster.producer import Producer
from streams.embedded import RunnerHealth
from streams.gateway.gateway import Gateway
from streams.metrics import Metrics

_log = logging.getLogger("fengsui.gateway")


@dataclass(frozen=True)
class _Services:
    """What the routes of a gateway ask for."""

    auth: Auth
    registry: Any
    gateway: Gateway
    rules: Rules | None
    runner: _InForce
    settings: ServerSettings


class _InForce:
    """The cluster's engines, as far as a gateway speaks of them: by which rules they judge."""

    def __init__(self, rules: ClusterRules) -> None:
        self._rules = rules

    @property
    def ruleset(self) -> RuleSet:
        return self._rules.ruleset

    @property
    def health(self) -> RunnerHealth:
        newest = self._rules.newest_rules()
        return RunnerHealth(
            rules_pos=newest.pos if newest else None, rules_at_ms=newest.at_ms if newest else None, clock_ms=None
        )

    def prepare(self, ruleset: RuleSet) -> None:
        """Engines load what they read."""

    def wait_for(self, _pos: int, _timeout_s: float) -> bool:
        """An activation is in force when the brokers have it; engines come to it in its turn."""
        return True


def run_gateway(settings: Settings) -> None:
    """Runs until SIGTERM or SIGINT. LogError where the cluster cannot be had, RuleErrors where its first rules are at fault."""
    configure_logging(settings.verbosity)
    quiet_clients()
    listener = bind(settings.listen)
    with listener, ExitStack() as stack:
        serve_gateway(settings, listener, stack)


def serve_gateway(settings: Settings, listener: socket, stack: ExitStack) -> None:
    address = cluster_of(settings)
    identity = open_cluster(address)
    metrics = Metrics()
    rules = ClusterRules(address)
    stack.callback(rules.stop)
    producer = Producer(address, KafkaDoor.topics(address, identity))
    stack.callback(producer.close)
    door = KafkaDoor(address, identity, producer)
    gateway = Gateway(rules.ruleset.catalog, door, clock=wall_ms, metrics=metrics)
    stack.callback(gateway.close)
    in_force = _InForce(rules)
    rulebook = _rulebook(settings, rules, gateway, in_force, metrics, stack)
    rules.listen(gateway.follow)
    rules.start()
    inbox = Inbox(address, gateway.accept)
    inbox.start()
    stack.callback(inbox.stop)
    auth = Auth(settings.data, wall_ms, behind_proxy=settings.behind_proxy)
    services = _Services(
        auth,
        metrics.registry,
        gateway,
        rulebook,
        in_force,
        ServerSettings(behind_proxy=settings.behind_proxy, zone=settings.zone, version=__version__),
    )
    app = create_intake_app(services, _readiness(rules, inbox))
    run_server(app, settings, listener)


def _rulebook(
    settings: Settings, rules: ClusterRules, gateway: Gateway, in_force: _InForce, metrics: Metrics, stack: ExitStack
) -> Rulebook | None:
    """Of the gateway that has the rules directory; where the cluster has no rules at all yet, of any: it begins with the packs."""
    if settings.rules is None and rules.activation is not None:
        return None
    rulebook = Rulebook(settings.rules or packs_directory(), zone=settings.zone, clock=wall_ms, metrics=metrics)
    first = rulebook.read()
    if first.fault is not None and rules.activation is None:
        raise first.fault
    settled = rulebook.begin(first, rules.ruleset, gateway=gateway, runner=in_force, log=rules)
    rules.listen(rulebook.follow)
    if settings.rules is None:
        return None
    if settings.watch:
        watch = RuleWatch(rulebook.directory, rulebook.renew)
        watch.start(again=not settled)
        stack.callback(watch.stop)
    return rulebook


def _readiness(rules: ClusterRules, inbox: Inbox) -> Callable[[], dict[str, str]]:
    def reasons() -> dict[str, str]:
        found: dict[str, Any] = {}
        if rules.activation is None:
            found["rules"] = "no rules are in force yet"
        if inbox.error:
            found["inbox"] = inbox.error
        return found

    return reasons
