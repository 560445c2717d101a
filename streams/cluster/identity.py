"""Who a cluster is and how it was made: one record in NAME.meta, read by everything that starts on the cluster."""

from __future__ import annotations

import uuid
from typing import Any

import msgspec

from streams.cluster.address import Address, PartitionBy
from streams.cluster.client import REQUEST_S, admin, naming, producer
from streams.cluster.errors import (
    ForeignRecord,
    NewerCluster,
    TooFewPartitions,
    TopicMissing,
    TopologyMismatch,
    TwoClusters,
)
from streams.cluster.meta import IDENTITY_PREFIX, read_meta
from streams.cluster.topology import EVENTS, META, SNAPSHOTS, TRANSITIONS, WIDE, Topology, topics

#: Raised when a version before could not run on a cluster that this one has written to.
FORMAT = 1


class Identity(msgspec.Struct, frozen=True):
    """``cluster``: drawn when it was made. ``kafka``: the id of the Kafka that it was made on."""

    cluster: str
    kafka: str
    partitions: int
    wide: int
    partition_by: PartitionBy
    format: int = FORMAT

    @property
    def topology(self) -> Topology:
        return Topology(self.partitions, self.wide)


def new_identity(address: Address, topology: Topology, kafka: str) -> Identity:
    return Identity(uuid.uuid4().hex, kafka, topology.partitions, topology.wide, address.partition_by)


def open_cluster(address: Address) -> Identity:
    """Connects, and checks that the cluster is there and is the one that the address means; what every start does first.

    Raises BrokerUnreachable, TlsFailed, SignInFailed, NotAllowed, TopicMissing, TooFewPartitions, TopologyMismatch,
    TwoClusters, NewerCluster, ForeignRecord.
    """
    with admin(address) as client:
        kafka = str(client.describe_cluster()["cluster_id"])
        there = partitions_of(client, address)
    if address.topic(META) not in there:
        raise TopicMissing(
            f"there is no cluster {address.name} at {address.brokers} (no topic {address.topic(META)}): check the name, or make "
            f"it with `fengsui topics apply --log {address}`"
        )
    identity = read_identity(address)
    if identity is None:
        raise TopicMissing(
            f"{address.topic(META)} at {address.brokers} says nothing of a cluster: finish making it with "
            f"`fengsui topics apply --log {address}`"
        )
    check(identity, address, kafka)
    for topic in topics(address, identity.topology, brokers=1):
        _check_partitions(topic.name, topic.kind, there.get(topic.name), topic.partitions, address)
    return identity


def check(identity: Identity, address: Address, kafka: str) -> None:
    """NewerCluster, TwoClusters, TopologyMismatch where this is not the cluster that the address means. ``kafka``: its id."""
    if identity.format > FORMAT:
        raise NewerCluster(
            f"cluster {address.name} has format {identity.format}, this version knows up to {FORMAT}: install the newer version "
            "here, too"
        )
    if identity.kafka != kafka:
        raise TwoClusters(
            f"cluster {address.name} at {address.brokers} was made on another Kafka (id {identity.kafka}, this is {kafka}): its "
            "topics were copied. Go back to the one they came from; or, where this one is to live on its own, run "
            f"`fengsui topics apply --adopt --log {address}`"
        )
    if identity.partition_by != address.partition_by:
        raise TopologyMismatch(
            f"cluster {address.name} was made with partition_by={identity.partition_by}, the address says "
            f"{address.partition_by}: write partition_by={identity.partition_by}, or make a cluster under another name"
        )


def _check_partitions(name: str, kind: str, there: int | None, wanted: int, address: Address) -> None:
    if there is None:
        raise TopicMissing(
            f"topic {name} is missing at {address.brokers}: `fengsui topics apply --log {address}` makes it anew, without what "
            "was in it"
        )
    if there < wanted:
        raise TooFewPartitions(
            f"topic {name} at {address.brokers} has {there} partitions, cluster {address.name} was made with {wanted}: "
            + (
                "what was in it is lost; make a cluster under another name"
                if kind in {EVENTS, WIDE, TRANSITIONS, SNAPSHOTS}
                else f"run `fengsui topics apply --log {address}`"
            )
        )


def partitions_of(client: Any, address: Address) -> dict[str, int]:
    """The cluster's topics that are there, with their partitions."""
    prefix = f"{address.name}."
    names = [name for name in client.list_topics() if name.startswith(prefix)]
    described = client.describe_topics(names) if names else []
    return {topic["name"]: len(topic["partitions"]) for topic in described if topic["error_code"] == 0}


def read_identity(address: Address) -> Identity | None:
    """The cluster's identity; None where it has none yet. TwoClusters where it has several."""
    found = identities(address)
    if len(found) > 1:
        names = ", ".join(sorted(identity.cluster for identity in found))
        raise TwoClusters(
            f"two clusters were made under the name {address.name} at {address.brokers} ({names}): stop everything that writes to "
            f"it, decide which Kafka it is to live on, and run `fengsui topics apply --adopt --log {address}`"
        )
    return found[0] if found else None


def identities(address: Address) -> list[Identity]:
    """Every identity that was written and not taken away."""
    said = read_meta(address)
    return [identity_of(value, address) for key, value in said.items() if key.startswith(IDENTITY_PREFIX)]


def identity_of(value: bytes, address: Address) -> Identity:
    """The identity of a record's value. NewerCluster, ForeignRecord."""
    try:
        shape = msgspec.json.decode(value, type=dict[str, Any])
        if int(shape["format"]) > FORMAT:
            raise NewerCluster(
                f"cluster {address.name} has format {shape['format']}, this version knows up to {FORMAT}: install the newer "
                "version here, too"
            )
        return msgspec.convert(shape, Identity)
    except (msgspec.MsgspecError, KeyError, TypeError, ValueError) as error:
        raise ForeignRecord(
            f"{address.topic(META)} at {address.brokers} holds an identity that is none of Fengsui's ({error}): another program "
            "uses this topic; give the cluster another name"
        ) from None


def write_identity(address: Address, identity: Identity) -> None:
    """Makes this the cluster's one identity; those that were there are taken away."""
    others = [key for key in read_meta(address) if key.startswith(IDENTITY_PREFIX)]
    key = IDENTITY_PREFIX + identity.cluster.encode()
    with naming(address, address.topic(META)):
        client = producer(address)
        try:
            client.send(address.topic(META), msgspec.json.encode(identity), key=key, partition=0).get(REQUEST_S)
            for other in others:
                if other != key:
                    client.send(address.topic(META), None, key=other, partition=0).get(REQUEST_S)
        finally:
            client.close(REQUEST_S)
