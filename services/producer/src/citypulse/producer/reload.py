"""SIGHUP: the running producer reads its configuration anew, and takes it, or says why not and goes on."""

from collections.abc import Callable

import structlog

from citypulse.producer import metrics
from citypulse.producer.config import Config
from citypulse.producer.errors import StopError
from citypulse.producer.spend import Spend
from citypulse.producer.stream.client import BrokenError, HttpError, XClient
from citypulse.producer.stream.subscription import Subscription

log = structlog.get_logger()

AGAIN_SECONDS = 10.0
"""How often rules that X may not have as they are wanted are brought there while the stream goes on."""


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
        subscription.change(config, client)
    except (StopError, HttpError, BrokenError) as error:
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
    except (StopError, HttpError, BrokenError) as error:
        log.warning("rules: not as wanted yet", reason=str(error))
