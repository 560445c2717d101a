"""Every start asks who the cluster is; what does not fit is said before a record is read or written."""

from __future__ import annotations

import msgspec
import pytest

from streams.cluster.address import parse_address
from streams.cluster.client import admin
from streams.cluster.errors import (
    BrokerUnreachable,
    ForeignRecord,
    NewerCluster,
    TooFewPartitions,
    TopicMissing,
    TopologyMismatch,
    TwoClusters,
)
from streams.cluster.identity import FORMAT, Identity, open_cluster, write_identity
from streams.cluster.meta import IDENTITY_PREFIX, read_meta
from streams.cluster.producer import Producer
from streams.cluster.topics import apply, plan
from tests.cluster.kafka_broker import free_port


def put(address, key, value):
    """A record into NAME.meta that no version of ours would write."""
    with Producer(address, {address.topic("meta"): 1}) as producer:
        producer.send(address.topic("meta"), 0, value, key=key).result(30)


def test_what_was_made_is_found_again(made):
    """The identity is that of its making, however often it is read."""
    address, identity = made(partition_by="prefecture")
    assert open_cluster(address) == identity
    assert identity.partition_by == "prefecture"


def test_a_wrong_broker_is_told(impatient, name):
    """Nobody listens; nobody has the name; something else listens."""
    with pytest.raises(BrokerUnreachable, match="cannot be reached") as refused:
        open_cluster(parse_address(f"kafka://127.0.0.1:{free_port()}/{name}"))
    assert refused.value.retryable
    with pytest.raises(BrokerUnreachable, match="no such host"):
        open_cluster(parse_address(f"kafka://nowhere.invalid:9092/{name}"))


def test_a_missing_cluster_is_told_with_the_way_to_make_it(broker, name):
    """A name that nobody made; a cluster whose making was broken off; one that lost a topic."""
    address = parse_address(broker.url(name))
    with pytest.raises(TopicMissing, match="fengsui topics apply"):
        open_cluster(address)
    planned = plan(address, partitions=2, wide=1)
    with admin(address) as client:
        client.create_topics(
            {address.topic("meta"): {"num_partitions": 1, "replication_factor": 1}}, wait_for_metadata=True
        )
    with pytest.raises(TopicMissing, match="finish making it"):
        open_cluster(address)
    apply(plan(address, partitions=2, wide=1))
    assert open_cluster(address).topology == planned.identity.topology
    with admin(address) as client:
        client.delete_topics([address.topic("dead")])
    with pytest.raises(TopicMissing, match=rf"{name}\.dead is missing"):
        open_cluster(address)


def test_too_few_partitions_are_told(made):
    """A topic that was made anew by hand, too small."""
    address, _ = made(partitions=3)
    with admin(address) as client:
        client.delete_topics([address.topic("events")])
        client.create_topics(
            {address.topic("events"): {"num_partitions": 2, "replication_factor": 1}}, wait_for_metadata=True
        )
    with pytest.raises(TooFewPartitions, match=r"has 2 partitions, cluster .* was made with 3"):
        open_cluster(address)


def test_another_division_than_the_clusters_is_told(broker, made):
    """By prefecture where it was made by subject: events would go to other homes."""
    address, _ = made()
    with pytest.raises(TopologyMismatch, match="write partition_by=subject"):
        open_cluster(parse_address(broker.url(address.name, partition_by="prefecture")))


def test_two_clusters_under_one_name_are_told(made):
    """Two identities, as two people make who apply at once; adopting leaves one."""
    address, identity = made()
    other = Identity("f" * 32, identity.kafka, identity.partitions, identity.wide, identity.partition_by)
    put(address, IDENTITY_PREFIX + other.cluster.encode(), msgspec.json.encode(other))
    with pytest.raises(TwoClusters, match=identity.cluster):
        open_cluster(address)
    with pytest.raises(TwoClusters):
        plan(address)
    apply(plan(address, adopt=True))
    adopted = open_cluster(address)
    assert adopted.cluster not in {identity.cluster, other.cluster}
    assert adopted.topology == identity.topology
    assert len(read_meta(address)) == 1


def test_topics_copied_from_another_kafka_are_told(made):
    """The identity names another Kafka than the one it is read from."""
    address, identity = made()
    write_identity(address, msgspec.structs.replace(identity, kafka="elsewhere"))
    with pytest.raises(TwoClusters, match="made on another Kafka"):
        open_cluster(address)
    apply(plan(address, adopt=True))
    assert open_cluster(address).kafka == identity.kafka


def test_a_newer_format_is_told(made):
    """Also where the newer version writes fields that this one does not know."""
    address, identity = made()
    newer = {**msgspec.to_builtins(identity), "format": FORMAT + 1, "partition_by": "street", "more": 1}
    put(address, IDENTITY_PREFIX + identity.cluster.encode(), msgspec.json.encode(newer))
    with pytest.raises(NewerCluster, match="install the newer version"):
        open_cluster(address)
    with pytest.raises(NewerCluster):
        plan(address)


def test_an_identity_that_is_none_is_told(made):
    """Somebody else's record under our key."""
    address, identity = made()
    put(address, IDENTITY_PREFIX + identity.cluster.encode(), b"hello")
    with pytest.raises(ForeignRecord, match="another program uses this topic"):
        open_cluster(address)
