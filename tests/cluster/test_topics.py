"""`fengsui topics apply` on a real broker: shown before it is done, done once, and refused where it must be."""

from __future__ import annotations

import subprocess
import sys
import time

import pytest
from click.testing import CliRunner
from kafka.admin import ConfigResource, ConfigResourceType

from fengsui.cli import cli
from fengsui.doctor import findings
from fengsui.exits import InputFault
from fengsui.settings import load_settings
from streams.cluster.address import parse_address
from streams.cluster.client import admin
from streams.cluster.errors import TopologyMismatch
from streams.cluster.identity import open_cluster
from streams.cluster.topics import apply, plan
from streams.cluster.topology import Growth
from tests.cluster.kafka_broker import free_port


def until(done, timeout_s: float = 30.0) -> None:
    """A broker takes up what its controller decided a little later."""
    deadline = time.monotonic() + timeout_s
    while not done():
        assert time.monotonic() < deadline
        time.sleep(0.1)


def run(*args: str, given: str | None = None):
    return CliRunner().invoke(cli, ["topics", "apply", *args], input=given)


def test_a_new_cluster_is_shown_then_made(broker, name):
    """A dry run and a no change nothing; a yes makes seven topics and an identity; then there is nothing to do."""
    url = broker.url(name)
    shown = run("--log", url, "--partitions", "3", "--wide", "2", "--dry-run")
    assert shown.exit_code == 0, shown.output
    assert shown.output.count("\n+ ") + shown.output.startswith("+ ") == 8
    assert f"+ {name}.events: 3 " in shown.output
    refused = run("--log", url, "--partitions", "3", "--wide", "2", given="n\n")
    assert isinstance(refused.exception, InputFault)
    with admin(parse_address(url)) as client:
        assert not [topic for topic in client.list_topics() if topic.startswith(name)]
    done = run("--log", url, "--partitions", "3", "--wide", "2", given="y\n")
    assert done.exit_code == 0, done.output
    identity = open_cluster(parse_address(url))
    assert (identity.partitions, identity.wide, identity.partition_by) == (3, 2, "subject")
    again = run("--log", url)
    assert "as it should be" in again.output
    assert open_cluster(parse_address(url)) == identity


def test_settings_that_were_changed_are_mended(broker, made):
    """Only what differs is shown, with what it is now, and nothing else is touched."""
    address, _ = made()
    with admin(address) as client:
        events = address.topic("events")
        client.alter_configs(
            [ConfigResource(ConfigResourceType.TOPIC, events, {"retention.ms": "60000", "segment.ms": "70000"})]
        )
        until(lambda: plan(address))
    planned = plan(address)
    assert [(c.topic, c.setting, c.now) for c in planned.difference.changes] == [(events, "retention.ms", "60000")]
    assert not planned.difference.new
    apply(planned)
    assert not plan(address)
    with admin(address) as client:
        resource = ConfigResource(ConfigResourceType.TOPIC, events)
        assert client.describe_configs([resource])["topic"][events]["segment.ms"]["value"] == "70000"


def test_what_is_wrong_is_one_line_and_an_exit_code(name):
    """As the command line tells it: no broker is 3, a bad address 2, no cluster named 1; no traceback, nothing of Kafka's client."""
    for url, code, told in (
        (f"kafka://127.0.0.1:{free_port()}/{name}", 3, "cannot be reached"),
        ("kafka://127.0.0.1:9092", 2, "the cluster's name is missing"),
        (None, 1, "which cluster?"),
    ):
        command = [sys.executable, "-m", "fengsui", "topics", "apply", "--dry-run", *(["--log", url] if url else [])]
        done = subprocess.run(command, capture_output=True, text=True, timeout=120, check=False)
        assert done.returncode == code, done.stderr
        assert told in done.stderr
        assert done.stderr.count("\n") == 1
        assert done.stdout == ""


def test_a_keys_home_never_changes(broker, made):
    """Other numbers than the cluster was made with are refused, and so is what somebody grew behind its back."""
    address, identity = made(partitions=3, wide=2)
    with pytest.raises(TopologyMismatch, match="made with --partitions 3"):
        plan(address, partitions=6)
    with pytest.raises(TopologyMismatch, match="made with --wide 2"):
        plan(address, wide=4)
    assert plan(address, partitions=3).identity == identity
    with admin(address) as client:
        client.create_partitions({address.topic("wide"): 5})
        until(lambda: plan(address))
    planned = plan(address)
    assert "cannot shrink" in planned.difference.refused[0]
    with pytest.raises(TopologyMismatch, match="has 5 partitions, and 2 are wanted"):
        apply(planned)
    refused = run("--log", str(address), "--yes")
    assert isinstance(refused.exception, InputFault)
    assert f"! {address.topic('wide')}" in refused.output


def test_the_inbox_grows(broker, made):
    """An inbox of one partition is brought up to three."""
    address, _ = made()
    with admin(address) as client:
        client.delete_topics([address.topic("inbox")])
        client.create_topics(
            {address.topic("inbox"): {"num_partitions": 1, "replication_factor": 1}}, wait_for_metadata=True
        )
    planned = plan(address)
    assert list(planned.difference.growths) == [Growth(address.topic("inbox"), 1, 3)]
    apply(planned)
    assert not plan(address)


def test_the_doctor_finds_it_first(broker, made, name):
    """A cluster in order, one whose settings were changed, and one that is not there."""

    def found(url: str) -> tuple[str, str]:
        settings = load_settings({"log": url}, environ={})
        (finding,) = (finding for finding in findings(settings) if finding.what == "log")
        return finding.verdict, finding.text

    verdict, text = found(broker.url(name))
    assert (verdict, "fengsui topics apply" in text) == ("fail", True)
    address, identity = made()
    verdict, text = found(str(address))
    assert (verdict, identity.cluster in text) == ("ok", True)
    with admin(address) as client:
        client.alter_configs(
            [ConfigResource(ConfigResourceType.TOPIC, address.topic("dead"), {"retention.ms": "60000"})]
        )
        until(lambda: plan(address))
    verdict, text = found(str(address))
    assert (verdict, "differ in 1 things" in text) == ("warn", True)
