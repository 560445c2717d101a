"""Kafka's client as we set it up: its checksums are compiled, its errors have names that say what to do."""

from __future__ import annotations

import time

import pytest
from kafka import errors as kafka_errors
from kafka.record import default_records

from streams.cluster.address import parse_address
from streams.cluster.client import named
from streams.cluster.errors import (
    BrokerRefused,
    BrokerUnreachable,
    NotAllowed,
    RecordTooLarge,
    SignInFailed,
    TooFewPartitions,
    TopicMissing,
)
from streams.log.errors import LogClosed

ADDRESS = parse_address("kafka://gate@a:9092/henan?security=sasl_ssl")


def test_checksums_are_quick_and_right():
    """RFC 3720's check value; and a body's worth in far less than the seconds that plain Python takes."""
    assert default_records.calc_crc32c(memoryview(b"123456789")) == 0xE3069283
    data = bytes(8 << 20)
    began = time.perf_counter()
    default_records.calc_crc32c(memoryview(data))
    assert time.perf_counter() - began < 1


@pytest.mark.parametrize(
    ("error", "name", "retryable", "told"),
    [
        (kafka_errors.KafkaTimeoutError("x"), BrokerUnreachable, True, "no answer from henan.events at a:9092"),
        (kafka_errors.KafkaConnectionError("x"), BrokerUnreachable, True, "check that the brokers run"),
        (
            kafka_errors.UnknownTopicOrPartitionError(),
            TopicMissing,
            False,
            "fengsui topics apply --log kafka://gate@a:9092/henan",
        ),
        (kafka_errors.SaslAuthenticationFailedError("x"), SignInFailed, False, "does not let gate in by SCRAM-SHA-512"),
        (kafka_errors.TopicAuthorizationFailedError("x"), NotAllowed, False, "topics and groups that begin with henan"),
        (kafka_errors.GroupAuthorizationFailedError("x"), NotAllowed, False, "gate may not do this"),
        (kafka_errors.MessageSizeTooLargeError("x"), RecordTooLarge, False, "max.message.bytes"),
        (kafka_errors.InvalidPartitionsError("Unrecognized partition 7"), TooFewPartitions, False, "partition 7"),
        (kafka_errors.NotEnoughReplicasError(), BrokerRefused, True, "NotEnoughReplicas"),
        (kafka_errors.OutOfOrderSequenceNumberError("x"), BrokerRefused, True, "OutOfOrder"),
        (kafka_errors.PolicyViolationError("x"), BrokerRefused, False, "PolicyViolation"),
    ],
)
def test_errors_have_names(error, name, retryable, told):
    """And say whether trying again can help, when, and what to do."""
    found = named(error, ADDRESS, "henan.events")
    assert type(found) is name
    assert found.retryable is retryable
    assert (found.retry_after_s is not None) is retryable
    assert told in str(found)
    assert "\n" not in str(found)


def test_what_has_a_name_keeps_it():
    """An error of ours that passes through is not named again."""
    error = LogClosed("closed")
    assert named(error, ADDRESS) is error
