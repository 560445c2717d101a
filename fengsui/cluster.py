"""What every process of a cluster begins with: which cluster, and clients that do not talk over it."""

from __future__ import annotations

import logging

from fengsui.exits import InputFault
from fengsui.settings import Settings
from streams.cluster.address import Address, parse_address

#: They tell of every connection that is lost, and of every one of their parts that stops.
_TALKATIVE = ("faust", "mode", "aiokafka", "kafka")


def cluster_of(settings: Settings) -> Address:
    """The cluster that the settings name. InputFault where they name none."""
    if settings.log is None:
        raise InputFault(
            "没有指定集群 · no cluster is named: give --log kafka://HOST:PORT/NAME, or set log in fengsui.toml"
        )
    return parse_address(settings.log)


def quiet_clients() -> None:
    """What Kafka's clients say of lost connections is said once by ourselves."""
    for name in _TALKATIVE:
        logging.getLogger(name).setLevel(logging.CRITICAL)
