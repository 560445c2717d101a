"""The real parts that the cluster's tests share: one Kafka for each worker process of pytest."""

from __future__ import annotations

import uuid
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from streams.cluster.address import Address, parse_address
from streams.cluster.identity import Identity
from streams.cluster.topics import apply, plan
from tests.cluster import kafka_broker
from tests.cluster.kafka_broker import KafkaBroker

HERE = Path(__file__).parent


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Everything in here needs the cluster's parts."""
    for item in items:
        if HERE in item.path.parents:
            item.add_marker(pytest.mark.cluster)


@pytest.fixture(scope="session")
def broker(tmp_path_factory: pytest.TempPathFactory) -> Iterator[KafkaBroker]:
    """A broker that all tests of a worker share, with names of their own: nobody stops it."""
    assert kafka_broker.available(), "no Kafka here: run deploy/kafka/fetch.sh, or make test-cluster"
    with KafkaBroker(tmp_path_factory.mktemp("kafka"), secure=True) as running:
        yield running


@pytest.fixture
def impatient(monkeypatch) -> None:
    """A first contact that fails is given up sooner than people would want it to be."""
    monkeypatch.setattr("streams.cluster.client.BOOTSTRAP_S", 1.5)


@pytest.fixture
def name() -> str:
    """A cluster's name that no other test has."""
    return f"t{uuid.uuid4().hex[:10]}"


@pytest.fixture
def made(broker: KafkaBroker, name: str) -> Callable[..., tuple[Address, Identity]]:
    """Makes a small cluster on the shared broker."""

    def make(*, partitions: int = 3, wide: int = 2, **parameters: str) -> tuple[Address, Identity]:
        address = parse_address(broker.url(name, **parameters))
        planned = plan(address, partitions=partitions, wide=wide)
        apply(planned)
        return address, planned.identity

    return make
