"""Topics as data: what a cluster has, and what has to be done where it is otherwise."""

from __future__ import annotations

import dataclasses

from streams.cluster.address import parse_address
from streams.cluster.topology import Change, Found, Growth, Topology, difference, topics

ADDRESS = parse_address("kafka://a:9092/henan")
WANTED = topics(ADDRESS, Topology(12, 4), brokers=3)


def found(**changed: Found) -> dict[str, Found]:
    """Everything as wanted, but for what is named."""
    there = {topic.kind: Found(topic.partitions, dict(topic.settings)) for topic in WANTED} | changed
    return {f"henan.{kind}": topic for kind, topic in there.items()}


def test_a_new_cluster_has_seven_topics():
    """With the partitions of its topology: an engine each for events and wide rules, one for rules over alerts."""
    assert {topic.name: topic.partitions for topic in WANTED} == {
        "henan.events": 12,
        "henan.wide": 4,
        "henan.transitions": 1,
        "henan.snapshots": 17,
        "henan.dead": 1,
        "henan.inbox": 3,
        "henan.meta": 1,
    }
    assert list(difference(WANTED, {}).new) == WANTED
    compacted = {topic.kind for topic in WANTED if topic.settings["cleanup.policy"] == "compact"}
    assert compacted == {"snapshots", "meta"}


def test_safety_follows_the_number_of_brokers():
    """With three, two replicas must be in sync; with fewer, nothing could be written if they had to be."""
    for brokers, wanted in ((1, "1"), (2, "1"), (3, "2"), (9, "2")):
        for topic in topics(ADDRESS, Topology(), brokers=brokers):
            assert topic.settings["min.insync.replicas"] == wanted
            assert topic.settings["unclean.leader.election.enable"] == "false"


def test_nothing_to_do_is_no_difference():
    """Settings that are not ours are left alone."""
    there = found()
    there["henan.events"] = dataclasses.replace(
        there["henan.events"], settings={**there["henan.events"].settings, "segment.ms": "1"}
    )
    assert not difference(WANTED, there)
    assert difference(WANTED, there).lines() == []


def test_changed_settings_are_shown_with_what_they_are_now():
    """Both those that are otherwise and those that are not set."""
    settings = dict(found()["henan.wide"].settings)
    settings["retention.ms"] = "5"
    del settings["max.message.bytes"]
    told = difference(WANTED, found(wide=Found(4, settings)))
    assert list(told.changes) == [
        Change("henan.wide", "max.message.bytes", None, "16777216"),
        Change("henan.wide", "retention.ms", "5", "604800000"),
    ]
    assert all("henan.wide" in line for line in told.lines())


def test_only_the_inbox_may_grow():
    """Elsewhere a key's home would change: it is refused, with a way out; and nothing shrinks."""
    told = difference(WANTED, found(inbox=Found(1, found()["henan.inbox"].settings)))
    assert list(told.growths) == [Growth("henan.inbox", 1, 3)]
    assert not told.refused
    for kind, partitions in (("events", 6), ("events", 24), ("wide", 2), ("transitions", 2), ("snapshots", 3)):
        told = difference(WANTED, found(**{kind: Found(partitions, found()[f"henan.{kind}"].settings)}))
        (refused,) = told.refused
        assert f"henan.{kind} has {partitions} partitions" in refused
        assert "under another name" in refused
        assert not told.growths
    assert not difference(WANTED, found(inbox=Found(9, found()["henan.inbox"].settings)))
