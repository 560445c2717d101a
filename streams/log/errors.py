"""What can go wrong with a log, by name. Each error says whether trying again can help."""

from __future__ import annotations


class LogError(Exception):
    """The root. ``retryable``: the same call may succeed later, without anyone changing the code or the files."""

    retryable: bool = False
    #: when to try again, in seconds; only where ``retryable``
    retry_after_s: float | None = None


class LogFull(LogError):
    """The log has reached its bound and its slowest consumer still needs all of it. Nothing was written."""

    retryable = True

    def __init__(self, message: str, *, retry_after_s: float = 5.0) -> None:
        super().__init__(message)
        self.retry_after_s = retry_after_s


class DiskFull(LogError):
    """The file system has no room left. Nothing was written."""

    retryable = True

    def __init__(self, message: str, *, retry_after_s: float = 30.0) -> None:
        super().__init__(message)
        self.retry_after_s = retry_after_s


class InUse(LogError):
    """Another process holds the file or the directory."""


class NewerVersion(LogError):
    """The file was written by a newer version of Fengsui than this one."""


class ForeignFile(LogError):
    """The file is something else: no log of ours."""


class LogBroken(LogError):
    """The disk or the file failed underneath. Nothing more is written until the process is started again."""


class LogClosed(LogError):
    """The log was closed while, or before, it was asked."""


class LogMismatch(LogError):
    """Files that do not belong together, such as a transition log beside another event log, or a restored half."""
