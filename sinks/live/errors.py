"""What can go wrong with live state in Redis, by name. Each error says whether trying again can help."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager


class LiveError(Exception):
    """The root. ``retryable``: the same call may succeed later without anyone changing anything."""

    retryable: bool = False


class LiveDown(LiveError):
    """Redis cannot be reached, does not answer in time, or is still loading its data."""

    retryable = True


class LiveRefused(LiveError):
    """Redis or its TLS refuses us: a password, a right, a certificate."""


class LiveFull(LiveError):
    """Redis has no memory left under its policy ``noeviction``."""

    retryable = True


class LiveLost(LiveError):
    """What was there is gone, only partly there, or of another build: it is taken again from its beginning."""

    retryable = True


class LiveForeign(LiveError):
    """The prefix holds the state of another system."""


class LiveNewer(LiveError):
    """The state was written by a newer version of Fengsui than this one."""


class LiveBusy(LiveError):
    """Another process rebuilds the state at this moment."""

    retryable = True


class LiveFailed(LiveError):
    """Redis refused a command: a fault of ours, or a server that is too old."""


@contextmanager
def named(where: object) -> Iterator[None]:
    """Turns the client's errors into ours; ``where`` is the address without its password."""
    try:
        yield
    except LiveError:
        raise
    except Exception as error:
        made = _named(error, where)
        if made is None:
            raise
        raise made from error


def _named(error: Exception, where: object) -> LiveError | None:
    from redis import exceptions  # takes a while to load, and a state in memory has no need of it

    text = str(error) or type(error).__name__
    if isinstance(error, exceptions.AuthenticationError | exceptions.NoPermissionError):
        return LiveRefused(
            f"{where} refuses the password or the user ({text}): set FENGSUI_REDIS_PASSWORD, or correct the user's rights"
        )
    if isinstance(error, exceptions.OutOfMemoryError) or text.startswith("OOM"):
        return LiveFull(f"{where} has no memory left: raise its maxmemory")
    if isinstance(error, exceptions.ConnectionError | exceptions.TimeoutError | OSError):
        return _connection(text, where)
    if isinstance(error, exceptions.ResponseError) and ("NOAUTH" in text or "WRONGPASS" in text):
        return LiveRefused(f"{where} asks for a password: set FENGSUI_REDIS_PASSWORD")
    if isinstance(error, exceptions.ResponseError):
        return LiveFailed(f"{where} refused a command: {text}")
    return LiveFailed(f"{where}: {text}") if isinstance(error, exceptions.RedisError) else None


def _connection(text: str, where: object) -> LiveError:
    if "certificate" in text.lower():
        return LiveRefused(f"{where}: the certificate is not trusted ({text}): name its authority with ?ca=FILE")
    if "WRONG_VERSION_NUMBER" in text or "record layer failure" in text.lower():
        return LiveRefused(f"{where} does not speak TLS: write redis:// instead of rediss://")
    hint = "; if it does not speak TLS, write redis://" if str(where).startswith("rediss:") else ""
    return LiveDown(f"{where} does not answer: {text}{hint}")
