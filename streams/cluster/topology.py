"""A cluster's topics and their settings, as data, and how what is there differs from them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from streams.cluster.address import Address
from streams.cluster.client import MAX_RECORD_BYTES

_DAY_MS = 86_400_000
#: What a topic's values are counted in; a replica more than this needs no more brokers.
_REPLICAS = 3

EVENTS, WIDE, TRANSITIONS, SNAPSHOTS, DEAD, INBOX, META = (
    "events",
    "wide",
    "transitions",
    "snapshots",
    "dead",
    "inbox",
    "meta",
)
INBOX_PARTITIONS = 3

#: Time is the broker's: a door whose clock is wrong must neither lose its records at once nor keep them for ever.
_ALL = {"message.timestamp.type": "LogAppendTime", "max.message.bytes": str(MAX_RECORD_BYTES)}
_COMPACT = {"cleanup.policy": "compact", "min.cleanable.dirty.ratio": "0.3", "segment.bytes": str(128 << 20)}


def _kept(days: int, *, gib: int | None = None) -> dict[str, str]:
    """What is deleted after ``days``, or earlier where a partition grows beyond ``gib``."""
    return {
        "cleanup.policy": "delete",
        "retention.ms": str(days * _DAY_MS),
        "retention.bytes": str(-1 if gib is None else gib << 30),
    }


@dataclass(frozen=True)
class Topology:
    """What can never be changed once a cluster has records: the partitions of its events, and of what wide rules read."""

    partitions: int = 12
    wide: int = 4

    def __post_init__(self) -> None:
        assert 1 <= self.partitions <= 1000, self.partitions
        assert 1 <= self.wide <= 1000, self.wide

    @property
    def engines(self) -> int:
        """One a partition, and one for rules over alerts."""
        return self.partitions + self.wide + 1


@dataclass(frozen=True)
class Topic:
    """A topic as it should be. ``grows``: partitions may be added; elsewhere a key's home, or an order, would change."""

    kind: str
    name: str
    partitions: int
    settings: Mapping[str, str]
    grows: bool = False


@dataclass(frozen=True)
class Found:
    """A topic as it is. ``settings``: those that were set for it, whatever the broker's own are."""

    partitions: int
    settings: Mapping[str, str]


@dataclass(frozen=True)
class Change:
    """A setting of a topic that is to be another; ``now`` is None where the broker's own applies."""

    topic: str
    setting: str
    now: str | None
    wanted: str

    def __str__(self) -> str:
        return f"~ {self.topic}: {self.setting} = {self.wanted} (现为 · now {'—' if self.now is None else self.now})"


@dataclass(frozen=True)
class Growth:
    topic: str
    now: int
    wanted: int

    def __str__(self) -> str:
        return f"~ {self.topic}: {self.wanted} 个分区 · partitions (现为 · now {self.now})"


@dataclass(frozen=True)
class Difference:
    """What must be done to have the topics as they should be. ``refused``: what will not be done, and what to do instead."""

    new: Sequence[Topic] = ()
    changes: Sequence[Change] = ()
    growths: Sequence[Growth] = ()
    refused: Sequence[str] = field(default=())

    def __bool__(self) -> bool:
        return bool(self.new or self.changes or self.growths or self.refused)

    def lines(self) -> list[str]:
        """One for each, for people."""
        told = []
        for topic in self.new:
            settings = ", ".join(f"{name}={value}" for name, value in sorted(topic.settings.items()))
            told.append(f"+ {topic.name}: {topic.partitions} 个分区 · partitions; {settings}")
        return [*told, *map(str, self.changes), *map(str, self.growths), *(f"! {text}" for text in self.refused)]


def topics(address: Address, topology: Topology, *, brokers: int) -> list[Topic]:
    """Every topic of a cluster. ``brokers``: how many there are to hold replicas."""
    safe = {"min.insync.replicas": str(2 if brokers >= _REPLICAS else 1), "unclean.leader.election.enable": "false"}

    def topic(kind: str, partitions: int, settings: Mapping[str, str], *, grows: bool = False) -> Topic:
        return Topic(kind, address.topic(kind), partitions, {**_ALL, **safe, **settings}, grows)

    return [
        topic(EVENTS, topology.partitions, _kept(30)),
        topic(WIDE, topology.wide, _kept(7)),
        topic(TRANSITIONS, 1, _kept(30, gib=8)),
        topic(SNAPSHOTS, topology.engines, _COMPACT),
        topic(DEAD, 1, _kept(30, gib=8)),
        topic(INBOX, INBOX_PARTITIONS, _kept(7), grows=True),
        topic(META, 1, _COMPACT),
    ]


def replicas(brokers: int) -> int:
    """How many copies a new topic gets."""
    return min(_REPLICAS, brokers)


def difference(wanted: Sequence[Topic], found: Mapping[str, Found]) -> Difference:
    """What has to be done for ``found`` to be as ``wanted``; settings that are not named in a topic are nobody's business."""
    changes: list[Change] = []
    growths: list[Growth] = []
    refused: list[str] = []
    for topic in wanted:
        there = found.get(topic.name)
        if there is None:
            continue
        for name, value in sorted(topic.settings.items()):
            now = there.settings.get(name)
            if now != value:
                changes.append(Change(topic.name, name, now, value))
        if there.partitions == topic.partitions:
            continue
        told = f"{topic.name} has {there.partitions} partitions, and {topic.partitions} are wanted"
        if there.partitions > topic.partitions:
            # More readers than we ask for do no harm where the number means nothing.
            if not topic.grows:
                refused.append(f"{told}: a topic cannot shrink. {_elsewhere(topic)}")
        elif topic.grows:
            growths.append(Growth(topic.name, there.partitions, topic.partitions))
        else:
            refused.append(
                f"{told}: it cannot grow, as what it holds would be looked for elsewhere. {_elsewhere(topic)}"
            )
    return Difference([topic for topic in wanted if topic.name not in found], changes, growths, refused)


def _elsewhere(topic: Topic) -> str:
    return (
        "Make a cluster under another name with the partitions wanted, and let its gateways take over; "
        f"or, where {topic.name} holds nothing that is needed, delete it and apply again"
    )
