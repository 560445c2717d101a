"""The commands that run parts of the system as processes of their own, on a cluster."""

from __future__ import annotations

from pathlib import Path

import click

from fengsui.settings import load_settings

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


ROLES = (worker,)
