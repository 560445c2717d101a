"""What can go wrong between several machines, by name. As everywhere, each error says whether trying again can help."""

from __future__ import annotations

from streams.log.errors import LogError


class ForeignRecord(LogError):
    """A record in one of our topics that is none of ours."""


class NewerRecord(LogError):
    """A record, or a snapshot, that a newer version of Fengsui wrote."""


class BrokerUnreachable(LogError):
    """No broker answers, or what answers is no Kafka. It may do so later."""

    retryable = True

    def __init__(self, message: str, *, retry_after_s: float = 5.0) -> None:
        super().__init__(message)
        self.retry_after_s = retry_after_s


class Backlogged(LogError):
    """The brokers take records more slowly than they come: nothing more is queued until they have caught up."""

    retryable = True

    def __init__(self, message: str, *, retry_after_s: float = 2.0) -> None:
        super().__init__(message)
        self.retry_after_s = retry_after_s


class BrokerRefused(LogError):
    """The broker answered no, for a reason that has no name of its own here. ``retryable`` as Kafka says."""

    def __init__(self, message: str, *, retryable: bool, retry_after_s: float = 5.0) -> None:
        super().__init__(message)
        self.retryable = retryable
        self.retry_after_s = retry_after_s if retryable else None


class RecordTooLarge(LogError):
    """A record that the topic does not take."""


class TlsFailed(LogError):
    """No encrypted connection: a certificate that is not trusted, or one side that speaks no TLS."""


class SignInFailed(LogError):
    """The broker does not take the user, the password or the way of signing in, or wants one where none was given."""


class NotAllowed(LogError):
    """The user may not do this: an access rule (ACL) is missing."""


class TopicMissing(LogError):
    """One of the cluster's topics is not there."""


class TooFewPartitions(LogError):
    """A topic has fewer partitions than the cluster's topology says."""


class TopologyMismatch(LogError):
    """The cluster was made otherwise than the settings say, or would have to be made anew to be what they say."""


class TwoClusters(LogError):
    """Two clusters under one name, or one identity in two places: their records must not be mixed."""


class NewerCluster(LogError):
    """A newer version of Fengsui made the cluster, or has brought it up to its own form."""
