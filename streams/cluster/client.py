"""Kafka's clients, opened and closed without anything left behind; what goes wrong with them gets a name and a way out."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, TypeVar

from aiokafka.record.util import calc_crc32c
from kafka import KafkaConsumer, KafkaProducer
from kafka import errors as kafka_errors
from kafka.admin import KafkaAdminClient
from kafka.net.compat import KafkaNetClient
from kafka.record import default_records

from streams.cluster.address import Address
from streams.cluster.errors import (
    BrokerRefused,
    BrokerUnreachable,
    NotAllowed,
    RecordTooLarge,
    SignInFailed,
    TooFewPartitions,
    TopicMissing,
)
from streams.cluster.probe import probe
from streams.log.errors import LogError

T = TypeVar("T")

# Its faults are raised by name; where no log is kept, its lines would stand between those of a command.
logging.getLogger("kafka").addHandler(logging.NullHandler())

# Each batch has a checksum; in plain Python, as kafka-python brings it, a megabyte takes half a second. That of Faust's client is
# compiled.
default_records.calc_crc32c = calc_crc32c

#: How long a start waits for a first broker to answer.
BOOTSTRAP_S = 10.0
REQUEST_S = 10.0
#: A record may hold a body's piece that does not compress, or a chunk of a snapshot.
MAX_RECORD_BYTES = 16 << 20

#: One more attempt may do: the producer was fenced or lost its place, and takes up a new one by itself.
_LOST_PLACE = (
    kafka_errors.OutOfOrderSequenceNumberError,
    kafka_errors.UnknownProducerIdError,
    kafka_errors.InvalidProducerEpochError,
    kafka_errors.InvalidProducerIdMappingError,
    kafka_errors.Cancelled,
)

#: Trying again does not help.
_REFUSALS = (
    kafka_errors.SaslAuthenticationFailedError,
    kafka_errors.UnsupportedSaslMechanismError,
    kafka_errors.IllegalSaslStateError,
)


@contextmanager
def admin(address: Address) -> Iterator[KafkaAdminClient]:
    """The client that makes and describes topics; whatever it raises is named."""
    client = _opened(address, KafkaAdminClient, request_timeout_ms=int(REQUEST_S * 1000))
    try:
        with naming(address):
            yield client
    finally:
        client.close()


def consumer(address: Address, **options: Any) -> KafkaConsumer:
    """A consumer that commits nothing by itself and says where an offset is out of reach."""
    return _opened(
        address,
        KafkaConsumer,
        **{
            "enable_auto_commit": False,
            "auto_offset_reset": "none",
            "allow_auto_create_topics": False,
            "request_timeout_ms": int(REQUEST_S * 1000),
            "max_partition_fetch_bytes": MAX_RECORD_BYTES,
            "metrics_enabled": False,
            **options,
        },
    )


def producer(address: Address, **options: Any) -> KafkaProducer:
    """A producer whose records are on every replica in sync when they are acknowledged, once and in order."""
    return _opened(
        address,
        KafkaProducer,
        **{
            "acks": "all",
            "enable_idempotence": True,
            "allow_auto_create_topics": False,
            "request_timeout_ms": int(REQUEST_S * 1000),
            "max_request_size": MAX_RECORD_BYTES,
            "reconnect_backoff_max_ms": 1_000,
            "metrics_enabled": False,
            **options,
        },
    )


def _opened(address: Address, make: Callable[..., T], **options: Any) -> T:
    first = _FirstContact()
    try:
        client = make(
            **address.options(), kafka_client=first.net, bootstrap_timeout_ms=int(BOOTSTRAP_S * 1000), **options
        )
    except kafka_errors.KafkaError as error:
        first.give_up()
        raise (first.refusal(address) or probe(address) or named(error, address)) from error
    first.made = True
    return client


class _FirstContact:
    """Watches a client being made: left alone it tries a wrong password until its time is up, and then only says that it is."""

    def __init__(self) -> None:
        self.made = False
        self._net: Any = None
        self._refusal: BaseException | None = None

    def net(self, **given: Any) -> Any:
        self._net = KafkaNetClient(**given)
        manager = self._net._manager
        connect = manager.get_connection

        def get_connection(*args: Any, **kwargs: Any) -> Any:
            connection = connect(*args, **kwargs)
            connection.close_future.add_errback(self._lost)
            return connection

        manager.get_connection = get_connection
        return self._net

    def _lost(self, error: BaseException) -> None:
        if not self.made and isinstance(error, _REFUSALS):
            self._refusal = error
            self._net._manager.close()

    def refusal(self, address: Address) -> LogError | None:
        """Why the broker does not let us in, where it said so."""
        return None if self._refusal is None else named(self._refusal, address)

    def give_up(self) -> None:
        """A client that could not be made has nothing to close it by."""
        if self._net is not None:
            self._net.close()
            self._net._manager._net.stop()


@contextmanager
def naming(address: Address, what: str = "") -> Iterator[None]:
    """Whatever Kafka's client raises in it is raised by its name. ``what`` was being asked for, such as a topic."""
    try:
        yield
    except kafka_errors.KafkaError as error:
        raise named(error, address, what) from error


def named(error: BaseException, address: Address, what: str = "") -> LogError:
    """The named error for one of Kafka's client, with what to do about it."""
    if isinstance(error, LogError):
        return error
    where = f"{what} at {address.brokers}" if what else address.brokers
    told = _told(error)
    if isinstance(error, kafka_errors.UnknownTopicOrPartitionError):
        return TopicMissing(f"{where}: no such topic or partition: run `fengsui topics apply --log {address}`")
    if isinstance(error, _REFUSALS):
        return SignInFailed(
            f"{where} does not let {address.user} in by {address.mechanism} ({told}): check user, password and mechanism"
        )
    if isinstance(error, kafka_errors.AuthorizationError):
        return NotAllowed(
            f"{where}: {address.user or 'an unnamed user'} may not do this ({told}): ask for an access rule (ACL) on topics and "
            f"groups that begin with {address.name}"
        )
    if isinstance(error, kafka_errors.MessageSizeTooLargeError | kafka_errors.RecordListTooLargeError):
        return RecordTooLarge(
            f"{where}: the record is too large ({told}): `fengsui topics apply --log {address}` sets max.message.bytes"
        )
    if isinstance(error, kafka_errors.InvalidPartitionsError) or "Unrecognized partition" in str(error):
        return TooFewPartitions(f"{where}: {told}: run `fengsui topics apply --log {address}`")
    if isinstance(
        error, kafka_errors.KafkaTimeoutError | kafka_errors.KafkaConnectionError | kafka_errors.NodeNotReadyError
    ):
        return BrokerUnreachable(
            f"no answer from {where} in time ({told}): check that the brokers run and can be reached"
        )
    retryable = isinstance(error, _LOST_PLACE) or bool(getattr(error, "retriable", False))
    return BrokerRefused(f"{where}: {told}", retryable=retryable)


def _told(error: BaseException) -> str:
    """What Kafka's client says, in one line and without its requests."""
    text = " ".join(str(error).split())
    name = type(error).__name__
    return f"{name}: {text}"[:200] if text and "Request '" not in text else name
