"""Makes a cluster's topics, and mends their settings: what will be done is known, and can be shown, before anything is."""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from kafka.admin import ConfigResource, ConfigResourceType

from streams.cluster.address import Address
from streams.cluster.client import admin
from streams.cluster.errors import BrokerRefused, TopologyMismatch
from streams.cluster.identity import (
    Identity,
    check,
    identities,
    new_identity,
    partitions_of,
    read_identity,
    write_identity,
)
from streams.cluster.topology import META, Difference, Found, Topology, difference, replicas, topics

#: How long the brokers may take to show what was done.
_SEEN_S = 15.0
_LOOK_S = 0.1


@dataclass(frozen=True)
class Plan:
    """What applying would do. ``identity``: who the cluster is, or will be; ``writes``: does that have to be written?"""

    address: Address
    difference: Difference
    identity: Identity
    writes: bool
    brokers: int

    def __bool__(self) -> bool:
        return bool(self.difference) or self.writes

    def lines(self) -> list[str]:
        told = self.difference.lines()
        if self.writes:
            who = self.identity
            told.append(
                f"+ {self.address.topic(META)}: 集群 · cluster {who.cluster}: {who.partitions} + {who.wide} 个分区 · partitions, "
                f"partition_by={who.partition_by}"
            )
        return told


def plan(address: Address, *, partitions: int | None = None, wide: int | None = None, adopt: bool = False) -> Plan:
    """Compares the cluster with what it should be, and changes nothing.

    ``partitions``, ``wide``: as the cluster was made, or 12 and 4 for a new one, where they are not given. ``adopt``: give
    topics that were copied from another Kafka an identity of their own. Raises as :func:`streams.cluster.identity.open_cluster`.
    """
    with admin(address) as client:
        described = client.describe_cluster()
        kafka, brokers = str(described["cluster_id"]), len(described["brokers"])
        there = partitions_of(client, address)
        known = _known(address, there, kafka, adopt=adopt)
        topology = _topology(address, known, partitions, wide)
        wanted = topics(address, topology, brokers=brokers)
        found = _found(client, {topic.name: there[topic.name] for topic in wanted if topic.name in there})
    identity = known if known is not None and not adopt else new_identity(address, topology, kafka)
    return Plan(address, difference(wanted, found), identity, known is None or adopt, brokers)


def apply(planned: Plan) -> None:
    """Does what was planned. TopologyMismatch, and nothing done, where some of it must not be."""
    address, todo = planned.address, planned.difference
    if todo.refused:
        raise TopologyMismatch("\n".join(todo.refused))
    with admin(address) as client:
        if todo.new:
            client.create_topics(
                {
                    topic.name: {
                        "num_partitions": topic.partitions,
                        "replication_factor": replicas(planned.brokers),
                        "configs": dict(topic.settings),
                    }
                    for topic in todo.new
                },
                wait_for_metadata=True,
            )
        for topic, settings in _by_topic(todo).items():
            answers = client.alter_configs([ConfigResource(ConfigResourceType.TOPIC, topic, settings)])
            answer = answers["topic"][topic]
            if answer != "OK":
                raise BrokerRefused(
                    f"{topic} at {address.brokers} does not take its settings: {answer}", retryable=False
                )
        if todo.growths:
            client.create_partitions({growth.topic: growth.wanted for growth in todo.growths})
        _await(client, planned)
    if planned.writes:
        write_identity(address, planned.identity)


def _await(client: Any, planned: Plan) -> None:
    """Brokers take up what the controller has decided a little later: whoever looks next should see it."""
    wanted = topics(planned.address, planned.identity.topology, brokers=planned.brokers)
    names = {topic.name for topic in wanted}
    deadline = time.monotonic() + _SEEN_S
    while True:
        there = {name: count for name, count in partitions_of(client, planned.address).items() if name in names}
        left = difference(wanted, _found(client, there))
        if not left:
            return
        if time.monotonic() > deadline:
            raise BrokerRefused(
                f"{planned.address.brokers} took the changes, but does not show them yet ({left.lines()[0]}): look again with "
                "--dry-run",
                retryable=True,
            )
        time.sleep(_LOOK_S)


def _known(address: Address, there: Mapping[str, int], kafka: str, *, adopt: bool) -> Identity | None:
    """Who the cluster is already."""
    if address.topic(META) not in there:
        return None
    if adopt:
        # However many there are: they are to be replaced by one, with the topology that the topics were made with.
        return next(iter(identities(address)), None)
    identity = read_identity(address)
    if identity is not None:
        check(identity, address, kafka)
    return identity


def _topology(address: Address, known: Identity | None, partitions: int | None, wide: int | None) -> Topology:
    if known is None:
        return Topology(partitions or Topology.partitions, wide or Topology.wide)
    for word, asked, made in (("partitions", partitions, known.partitions), ("wide", wide, known.wide)):
        if asked is not None and asked != made:
            raise TopologyMismatch(
                f"cluster {address.name} at {address.brokers} was made with --{word} {made}, and a key's home must not change: "
                f"leave --{word} out, or make a cluster under another name with --{word} {asked} and let its gateways take over"
            )
    return known.topology


def _found(client: Any, there: Mapping[str, int]) -> dict[str, Found]:
    if not there:
        return {}
    resources = [ConfigResource(ConfigResourceType.TOPIC, name) for name in there]
    described = client.describe_configs(resources, config_filter="modified")["topic"]
    return {
        name: Found(partitions, {key: one["value"] for key, one in described.get(name, {}).items()})
        for name, partitions in there.items()
    }


def _by_topic(todo: Difference) -> dict[str, dict[str, str]]:
    grouped: dict[str, dict[str, str]] = {}
    for change in todo.changes:
        grouped.setdefault(change.topic, {})[change.setting] = change.wanted
    return grouped
