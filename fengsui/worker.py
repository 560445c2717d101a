"""``fengsui worker``: engines of a cluster, until a signal; after a failure it begins anew by itself, from its snapshots."""

from __future__ import annotations

import asyncio
import logging
import os
import signal
import sys
import time

from dashboards.server.vitals import Vitals
from fengsui.cluster import cluster_of, quiet_clients
from fengsui.settings import Settings
from fengsui.up import bind, configure_logging, shown, wall_ms
from fengsui.version import __version__
from streams.agents import Stalled, Worker
from streams.cluster.identity import open_cluster
from streams.log.errors import LogError

_log = logging.getLogger("fengsui.worker")

#: Between a failure and the next attempt: a broker that is away needs no more questions than that.
_AGAIN_S = 3.0


def run_worker(settings: Settings) -> None:
    """Runs until SIGTERM or SIGINT. LogError where the cluster cannot be had."""
    configure_logging(settings.verbosity)
    quiet_clients()
    address = cluster_of(settings)
    identity = open_cluster(address)
    listener = bind(settings.listen)
    with listener:
        try:
            asyncio.run(_run(Worker(address, identity, clock=wall_ms, version=__version__), listener))
        except (Stalled, LogError) as error:
            if isinstance(error, LogError) and not error.retryable:
                raise
            _log.error("beginning anew in %.0f s: %s", _AGAIN_S, error)
        else:
            return
    time.sleep(_AGAIN_S)
    # Not in this process: what was left half done in a client's threads must not come along.
    os.execv(sys.executable, [sys.executable, *sys.orig_argv[1:]])  # noqa: S606  # ourselves, as we were called


async def _run(worker: Worker, listener: object) -> None:
    loop = asyncio.get_running_loop()
    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, worker.stop)
    vitals = Vitals(worker.metrics.registry, worker.readiness, listener)  # type: ignore[arg-type]
    vitals.start()
    print(f"http://{shown(listener)}/", flush=True)  # type: ignore[arg-type]
    try:
        await worker.run()
    finally:
        vitals.stop()
