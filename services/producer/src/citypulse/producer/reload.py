"""SIGHUP: the running producer reads its configuration anew, and takes it, or says why not and goes on."""

import threading
import time
from collections.abc import Callable

import structlog

from citypulse.producer import metrics
from citypulse.producer.config import Config
from citypulse.producer.errors import BadInputError, StopError
from citypulse.producer.send import replicas
from citypulse.producer.spend import Spend
from citypulse.producer.stream.client import BrokenError, HttpError, XClient
from citypulse.producer.stream.subscription import Subscription

_LOOK_SECONDS = 0.5

log = structlog.get_logger()

AGAIN_SECONDS = 10.0
"""How often rules that X may not have as they are wanted are brought there while the stream goes on."""


class Changes:
    """The thread that takes new configurations: a stop must not wait for X, which may be slow to answer."""

    def __init__(
        self,
        read: Callable[[], Config],
        subscription: Subscription,
        client: XClient,
        spend: Spend,
        watch: Callable[[Config], None],
        stopping: threading.Event,
        asked: threading.Event,
    ) -> None:
        """Take them as `reload` does.

        Args:
            read: see `reload`, as for `subscription`, `client` and `spend`.
            subscription: what is asked of X.
            client: not the stream's.
            spend: takes its limits.
            watch: told of the configuration that holds.
            stopping: ends it.
            asked: set when the configuration is to be read.
        """
        self._read, self._subscription, self._client = read, subscription, client
        self._spend, self._watch = spend, watch
        self._stopping, self._asked = stopping, asked

    def run(self) -> None:
        """Do so until stopped."""
        again_at = 0.0
        while not self._stopping.is_set():
            if self._asked.wait(_LOOK_SECONDS):
                self._asked.clear()
                reload(self._read, self._subscription, self._client, self._spend)
                self._watch(self._subscription.config)
            elif self._subscription.stale and metrics.stream_is("connected") and time.monotonic() > again_at:
                bring_again(self._subscription, self._client)
                again_at = time.monotonic() + AGAIN_SECONDS


def reload(read: Callable[[], Config], subscription: Subscription, client: XClient, spend: Spend) -> None:
    """Take a new configuration.

    Args:
        read: gives it, or raises StopError.
        subscription: what is asked of X.
        client: not the stream's.
        spend: takes its limits.
    """
    try:
        config = read()
        if missing := replicas.missing_topics(config):
            raise BadInputError(
                f"no broker knows the topic {missing[0]}, and nothing would leave the journal any more: have"
                " the deployment make it first"
            )
        subscription.change(config, client)
    except (StopError, HttpError, BrokenError, OSError) as error:
        metrics.reloads.labels("refused").inc()
        log.warning("configuration: the new one is not taken, the old one stays", reason=str(error))
        return
    spend.limit(config.spend)
    metrics.reloads.labels("taken").inc()
    log.info("configuration: taken", feeds=[feed.name for feed in config.feeds])


def bring_again(subscription: Subscription, client: XClient) -> None:
    """Bring the rules to X that a change has left half done; where that fails, it is tried again later."""
    try:
        subscription.bring(client)
    except (StopError, HttpError, BrokenError, OSError) as error:
        log.warning("rules: not as wanted yet", reason=str(error))
