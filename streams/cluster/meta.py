"""What a cluster says of itself, in NAME.meta, by key: who it is, and which rules are in force."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Self

import msgspec
from kafka import KafkaConsumer, TopicPartition

from streams.cluster.address import Address
from streams.cluster.client import MAX_RECORD_BYTES, consumer, naming
from streams.cluster.topology import META
from streams.log.entry import inflate

#: An identity has a key of its own, so that two are seen and not one in the other's place.
IDENTITY_PREFIX = b"identity/"
RULES_KEY = b"rules"
_POLL_MS = 500


class RulesInForce(msgspec.Struct, frozen=True):
    """The newest activation: its stamp, when it was, and its payload as in a ``rules`` entry."""

    stamp: int
    at_ms: int
    payload: bytes

    @property
    def bundle(self) -> dict[str, Any]:
        bundle: dict[str, Any] = msgspec.json.decode(inflate(self.payload))
        return bundle


class MetaReader:
    """Reads NAME.meta and follows it. Used by one thread at a time. Raises TopicMissing, BrokerUnreachable and their like."""

    def __init__(self, address: Address) -> None:
        self._address = address
        self._partition = TopicPartition(address.topic(META), 0)
        self._said: dict[bytes, bytes] = {}
        self._client: KafkaConsumer = consumer(address, fetch_max_bytes=MAX_RECORD_BYTES)
        try:
            with naming(address, self._partition.topic):
                self._client.assign([self._partition])
                begin = self._client.beginning_offsets([self._partition])[self._partition]
                self._client.seek(self._partition, begin)
                self._catch_up()
        except BaseException:
            self.close()
            raise

    @property
    def said(self) -> Mapping[bytes, bytes]:
        """The newest value of each key."""
        return self._said

    @property
    def rules(self) -> RulesInForce | None:
        """The rules in force; None before the first activation."""
        value = self._said.get(RULES_KEY)
        return None if value is None else msgspec.msgpack.decode(value, type=RulesInForce)

    def poll(self, timeout_s: float) -> bool:
        """Waits for news; whether there was any."""
        with naming(self._address, self._partition.topic):
            return self._take(int(timeout_s * 1000))

    def _catch_up(self) -> None:
        end = self._client.end_offsets([self._partition])[self._partition]
        while self._client.position(self._partition) < end:
            self._take(_POLL_MS)

    def _take(self, timeout_ms: int) -> bool:
        records = self._client.poll(timeout_ms).get(self._partition, ())
        for record in records:
            if record.key is None:
                continue
            if record.value is None:
                self._said.pop(record.key, None)
            else:
                self._said[record.key] = record.value
        return bool(records)

    def close(self) -> None:
        self._client.close(autocommit=False)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


def read_meta(address: Address) -> dict[bytes, bytes]:
    """What NAME.meta says now."""
    with MetaReader(address) as reader:
        return dict(reader.said)
