"""Departments that have a Kafka of their own habits write single events into NAME.inbox: they go through the door like any body.

A record is one event as plain JSON, or a CloudEvent as its ``content-type`` header says. Gateways share the inbox as one group;
a record counts as taken when what came of it is with the brokers, so it may be taken twice, and then is a duplicate.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Iterable, Iterator
from typing import Any

import msgspec
from kafka import KafkaConsumer
from kafka import errors as kafka_errors

from streams.cluster.address import Address
from streams.cluster.client import consumer, named
from streams.cluster.topology import INBOX
from streams.gateway.receipt import Receipt
from streams.log.errors import LogClosed, LogError

_log = logging.getLogger("fengsui.inbox")

#: Of the members of the group; each gateway is one.
GROUP = "inbox"
_LINES = "application/x-ndjson"
_RECORDS = 5_000
_BATCH_BYTES = 8 << 20
_POLL_MS = 200
_FIRST_WAIT_S = 0.5
_MOST_WAIT_S = 30.0


class Inbox(threading.Thread):
    """Takes what lies in the inbox and hands it to ``accept`` (a gateway's). :meth:`stop` before the gateway is closed."""

    def __init__(self, address: Address, accept: Callable[[bytes, str], Receipt]) -> None:
        super().__init__(name="inbox", daemon=True)
        self._address = address
        self._accept = accept
        self._halt = threading.Event()
        self._client: KafkaConsumer | None = None
        #: records taken so far
        self.taken = 0
        #: why nothing is taken now; empty while all is well
        self.error = ""

    def stop(self, timeout_s: float = 15.0) -> bool:
        """Ends after the batch in hand; whether it did in time."""
        self._halt.set()
        if self.is_alive():
            self.join(timeout_s)
        return not self.is_alive()

    def run(self) -> None:
        wait_s = _FIRST_WAIT_S
        while not self._halt.is_set():
            try:
                self._take()
            except LogClosed:
                break
            except Exception as error:  # an outage, told in the heartbeat; the batch comes again
                self._failed(error)
                # What was polled and not committed is only polled again by another member, or this one anew.
                self._drop()
                self._halt.wait(min(_MOST_WAIT_S, max(wait_s, getattr(error, "retry_after_s", None) or 0.0)))
                wait_s = min(_MOST_WAIT_S, wait_s * 2)
            else:
                wait_s, self.error = _FIRST_WAIT_S, ""
        self._drop()

    def _take(self) -> None:
        client = self._member()
        polled = client.poll(_POLL_MS)
        records = [record for some in polled.values() for record in some]
        if not records:
            return
        for body, content_type in _bodies(records):
            self._accept(body, content_type)
        client.commit()
        self.taken += len(records)

    def _member(self) -> KafkaConsumer:
        if self._client is None:
            self._client = consumer(
                self._address,
                group_id=f"{self._address.name}-{GROUP}",
                auto_offset_reset="earliest",
                max_poll_records=_RECORDS,
                max_partition_fetch_bytes=_BATCH_BYTES,
                fetch_max_bytes=_BATCH_BYTES,
            )
            self._client.subscribe([self._address.topic(INBOX)])
        return self._client

    def _drop(self) -> None:
        client, self._client = self._client, None
        if client is not None:
            try:
                client.close(autocommit=False)
            except kafka_errors.KafkaError as error:
                _log.warning("the inbox was not left in order: %s", error)

    def _failed(self, error: Exception) -> None:
        told = named(error, self._address, self._address.topic(INBOX)) if _of_kafka(error) else error
        if not self.error:
            _log.log(logging.WARNING if _of_kafka(error) or isinstance(error, LogError) else logging.ERROR, "%s", told)
        self.error = str(told)


def _of_kafka(error: Exception) -> bool:
    return isinstance(error, kafka_errors.KafkaError)


def _bodies(records: Iterable[Any]) -> Iterator[tuple[bytes, str]]:
    """Lines in one body as far as they go; what is no line by itself in one of its own."""
    lines: list[bytes] = []
    for record in records:
        kind = _content_type(record)
        if kind == _LINES:
            if record.value:
                lines.append(_line(record.value))
            continue
        if lines:
            yield b"\n".join(lines), _LINES
            lines = []
        yield record.value or b"", kind
    if lines:
        yield b"\n".join(lines), _LINES


def _content_type(record: Any) -> str:
    for name, value in record.headers:
        if name.lower() == "content-type":
            kind = str(value.decode("utf-8", "replace"))
            return kind if "cloudevents" in kind.lower() else _LINES
    return _LINES


def _line(value: bytes) -> bytes:
    """A record as one line, also where its JSON was written over several."""
    if b"\n" not in value:
        return value
    try:
        return msgspec.json.format(value, indent=-1)
    except msgspec.MsgspecError:
        # One bad line, for one reason; not as many as it has ends.
        return value.replace(b"\n", b" ")
