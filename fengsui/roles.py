"""The commands that run parts of the system as processes of their own, on a cluster."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

import click

from fengsui.settings import load_settings

F = TypeVar("F", bound=Callable[..., Any])

_CONFIG = click.option(
    "--config",
    type=click.Path(path_type=Path),
    metavar="FILE",
    help="设置文件，默认 ./fengsui.toml · settings file, ./fengsui.toml by default",
)
_LOG = click.option("--log", metavar="URL", help="集群：kafka://主机:端口/集群名 · the cluster, kafka://HOST:PORT/NAME")
_LISTEN = click.option(
    "--listen", metavar="HOST:PORT", help="监听地址，端口 0 为任选 · address; port 0 takes a free one"
)
_VERBOSITY = click.option("--verbosity", metavar="LEVEL", help="debug、info、warning、error")


@click.command(short_help="集群：运行引擎 · run engines of a cluster")
@_LOG
@_LISTEN
@_VERBOSITY
@_CONFIG
def worker(config: Path | None, **flags: object) -> None:
    """运行集群的引擎：从 Kafka 读事件，判断规则，写出预警。可以起任意多个，随时增减、重启；在监听地址上有 /metrics、/readyz。

    Runs engines of a cluster: reads events from Kafka, judges the rules, tells the alerts. There may be any number of them, that come
    and go; /metrics and /readyz are at the address.
    """
    flags["listen"] = flags["listen"] or "127.0.0.1:0"
    settings = load_settings(flags, config=config)
    from fengsui.worker import run_worker

    run_worker(settings)


_SERVING = (
    click.option(
        "--data", type=click.Path(path_type=Path), metavar="DIR", help="令牌所在目录，默认 ./data · where its token is"
    ),
    click.option("--zone", metavar="NAME", help="日界时区，默认 Asia/Shanghai · where days begin at midnight"),
    click.option("--behind-proxy/--no-behind-proxy", default=None, help="TLS 由前置代理终结 · a proxy ends TLS"),
    click.option("--tls-cert", metavar="FILE", help="证书（PEM）· certificate"),
    click.option("--tls-key", metavar="FILE", help="私钥（PEM）· private key"),
)


def _serving(command: F) -> F:
    for option in reversed(_SERVING):
        command = option(command)
    return command


@click.command(short_help="集群：接收事件 · take events into a cluster")
@_LOG
@_LISTEN
@_serving
@click.option(
    "--rules",
    type=click.Path(path_type=Path),
    metavar="DIR",
    help="规则目录：只给其中一个网关 · the rules directory, for one of the gateways",
)
@click.option(
    "--watch/--no-watch", default=None, help="规则文件一改就重新读，默认是 · read rule files again when they change"
)
@_VERBOSITY
@_CONFIG
def gateway(config: Path | None, **flags: object) -> None:
    """集群的入口：接收事件，写进 Kafka。可以起任意多个；给了规则目录的那个负责让规则生效。

    A door of a cluster: takes events and writes them to Kafka. There may be any number of them; the one with the rules directory puts
    rules in force.
    """
    settings = load_settings(flags, config=config)
    from fengsui.gateway import run_gateway

    run_gateway(settings)


@click.command(short_help="集群：看板 · a board of a cluster")
@_LOG
@_LISTEN
@_serving
@click.option("--store", metavar="URL", help="存储：http(s)://ClickHouse · where history is kept")
@click.option(
    "--live", metavar="URL", help="实时状态：memory:// 或 redis://主机:端口/库 · where current alerts are kept"
)
@_VERBOSITY
@_CONFIG
def board(config: Path | None, **flags: object) -> None:
    """集群的看板和接口。可以起任意多个，彼此独立。

    A board of a cluster, with its API. There may be any number of them, and none needs another.
    """
    settings = load_settings(flags, config=config)
    from fengsui.board import run_board

    run_board(settings)


ROLES = (gateway, worker, board)
