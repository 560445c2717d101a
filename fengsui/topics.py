"""``fengsui topics apply``: shows what a cluster's topics lack, asks, and mends it."""

from __future__ import annotations

import click

from fengsui.exits import InputFault
from fengsui.settings import Settings
from streams.cluster.address import Address, parse_address
from streams.cluster.topics import apply, plan


def cluster_address(settings: Settings) -> Address:
    """The cluster that the settings name. InputFault where they name none."""
    if settings.log is None:
        raise InputFault("which cluster? Give --log kafka://HOST:PORT/NAME, or set log in fengsui.toml")
    return parse_address(settings.log)


def run_apply(
    settings: Settings, *, partitions: int | None, wide: int | None, adopt: bool, yes: bool, dry_run: bool
) -> None:
    """Nothing is changed before it has been shown. InputFault where what is wanted cannot be had, or nobody said yes."""
    address = cluster_address(settings)
    planned = plan(address, partitions=partitions, wide=wide, adopt=adopt)
    if not planned:
        click.echo(f"无需改动 · cluster {address.name} at {address.brokers} is as it should be")
        return
    for line in planned.lines():
        click.echo(line)
    if planned.difference.refused:
        raise InputFault("nothing was changed: see the lines that begin with !")
    if dry_run:
        return
    if not yes:
        try:
            sure = click.confirm("执行以上改动？ · Do this?")
        except click.Abort:
            sure = False
        if not sure:
            raise InputFault("nothing was changed: answer y, or give --yes")
    apply(planned)
    click.echo(f"完成 · done: cluster {address.name} at {address.brokers}")
