"""Exit codes, and which error ends a command with which: 0 done, 1 the input is at fault, 2 usage, 3 a service is not there."""

from __future__ import annotations

DONE = 0
INPUT = 1
USAGE = 2
SERVICE = 3
#: Our own bug; EX_SOFTWARE of sysexits.h.
BUG = 70
INTERRUPTED = 130


class InputFault(Exception):
    """What was given cannot be used; the text says what to do."""


class ServiceMissing(Exception):
    """Something that the command needs is not there; the text says what to do."""


def exit_code(error: BaseException) -> int | None:
    """The code for an error that has a name; None for one that has not, which is a bug of ours.

    The modules that define the errors are heavy, so they are only looked up by the time one has been raised.
    """
    from events.feeds import CatalogError
    from fengsui.settings import SettingsError
    from rules.errors import RuleErrors
    from sinks.live.errors import LiveError
    from sinks.store.errors import StoreError
    from streams.log.errors import LogError
    from streams.sources import SourceError

    if isinstance(error, SettingsError):
        return USAGE
    if isinstance(error, InputFault | RuleErrors | CatalogError | SourceError):
        return INPUT
    if isinstance(error, ServiceMissing | LogError | StoreError | LiveError):
        return SERVICE
    # Backups and tokens have errors of their own; each says by its code what it is about.
    code = getattr(error, "exit_code", None)
    return code if isinstance(code, int) else None
