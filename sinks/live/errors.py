"""What can go wrong with live state in Redis, by name. Each error says whether trying again can help."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from redis import exceptions


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
    except (exceptions.AuthenticationError, exceptions.NoPermissionError) as error:
        raise LiveRefused(
            f"{where} refuses the password or the user ({error}): set FENGSUI_REDIS_PASSWORD, or correct the user's rights"
        ) from error
    except exceptions.OutOfMemoryError as error:
        raise LiveFull(f"{where} has no memory left: raise its maxmemory") from error
    except (exceptions.ConnectionError, exceptions.TimeoutError, OSError) as error:
        text = str(error) or type(error).__name__
        if "CERTIFICATE_VERIFY_FAILED" in text or "certificate" in text.lower():
            raise LiveRefused(
                f"{where}: the certificate is not trusted ({text}): name its authority with ?ca=FILE"
            ) from error
        if "WRONG_VERSION_NUMBER" in text or "record layer failure" in text.lower():
            raise LiveRefused(f"{where} does not speak TLS: write redis:// instead of rediss://") from error
        hint = "; if it does not speak TLS, write redis://" if str(where).startswith("rediss:") else ""
        raise LiveDown(f"{where} does not answer: {text}{hint}") from error
    except exceptions.ResponseError as error:
        if "NOAUTH" in str(error) or "WRONGPASS" in str(error):
            raise LiveRefused(f"{where} asks for a password: set FENGSUI_REDIS_PASSWORD") from error
        if str(error).startswith("OOM"):
            raise LiveFull(f"{where} has no memory left: raise its maxmemory") from error
        raise LiveFailed(f"{where} refused a command: {error}") from error
    except exceptions.RedisError as error:
        raise LiveFailed(f"{where}: {error}") from error
