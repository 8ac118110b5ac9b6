"""`citypulse-producer estimate`: how many posts the feeds bring, by X's counts of the last 7 days.

A post that matches several rules is delivered, and charged, once; counts know nothing of that, so their sum
is an upper bound. What X does not count, such as operators that counts do not take, is said.
"""

import datetime

import click
import msgspec

from citypulse.producer.config import Config
from citypulse.producer.errors import StopError
from citypulse.producer.stream import rules
from citypulse.producer.stream.client import BrokenError, HttpError, XClient
from citypulse.producer.stream.session import RefusedAnswerError

DAYS_PER_MONTH = 30
_NOT_COUNTED = (400, 403)
"""X does not take the query, or does not count for the token."""
_NOTES = (
    "Counts are of the last 7 days; a month is 30 days.",
    "A post that matches several rules counts for each, but is delivered and charged once.",
    "Edits and backfill deliver posts more often than they are counted.",
)


class _Bucket(msgspec.Struct):
    start: datetime.datetime
    end: datetime.datetime
    tweet_count: int


class _Counts(msgspec.Struct):
    data: list[_Bucket] = []


class Row(msgspec.Struct):
    """What a feed brings."""

    feed: str
    rules: int
    posts_per_day: float = 0.0
    not_counted: list[str] = []
    """Queries that X does not count, with its reason."""


_decoder = msgspec.json.Decoder(_Counts)


def run(config: Config, token: str, price: float | None, as_json: bool) -> bool:
    """Ask X, and print the numbers.

    Args:
        config: whose feeds are estimated.
        token: for X.
        price: USD per post; None for the configured one.
        as_json: whether they are printed as JSON.

    Returns:
        Whether X has counted all of it.

    Raises:
        StopError: X refuses all of it, or gives no answer.
    """
    client = XClient(config.x, token)
    rows: dict[str, Row] = {}
    refusal: RefusedAnswerError | None = None
    counted = 0
    for rule in rules.configured(config):
        row = rows.setdefault(rules.feed_of(rule.tag), Row(rules.feed_of(rule.tag), 0))
        row.rules += 1
        for query in rules.queries(rule, config.x.search_characters):
            try:
                row.posts_per_day += per_day(client.count(query))
                counted += 1
            except RefusedAnswerError as error:
                if error.status not in _NOT_COUNTED:
                    raise
                refusal = error
                row.not_counted = [*row.not_counted, f"{query}: {error}"]
            except (HttpError, BrokenError, msgspec.DecodeError) as error:
                raise StopError(f"X gives no count ({error}): try again later") from error
    if refusal and not counted:
        raise refusal
    _print(list(rows.values()), config.spend.price_per_post if price is None else price, as_json)
    return refusal is None


def per_day(content: bytes) -> float:
    """Posts a day, from X's answer.

    Raises:
        msgspec.DecodeError: it is none.
    """
    buckets = _decoder.decode(content).data
    if not buckets:
        return 0.0
    span = max(bucket.end for bucket in buckets) - min(bucket.start for bucket in buckets)
    days = max(span / datetime.timedelta(days=1), 1 / 24)
    return sum(bucket.tweet_count for bucket in buckets) / days


def _print(rows: list[Row], price: float, as_json: bool) -> None:
    whole = Row("all feeds", sum(row.rules for row in rows), sum(row.posts_per_day for row in rows))
    whole.not_counted = [line for row in rows for line in row.not_counted]
    if as_json:
        feeds = [_json(row, price) for row in rows]
        click.echo(
            msgspec.json.encode({"feeds": feeds, "total": _json(whole, price), "notes": _NOTES}).decode()
        )
        return
    click.echo(f"{'feed':<24} {'rules':>5} {'posts/day':>14} {'posts/month':>14} {'USD/month':>14}")
    for row in [*rows, *([whole] if len(rows) > 1 else [])]:
        month = row.posts_per_day * DAYS_PER_MONTH
        cost = f"{month * price:,.2f}" if price else "unknown"
        click.echo(f"{row.feed:<24} {row.rules:>5} {row.posts_per_day:>14,.0f} {month:>14,.0f} {cost:>14}")
    for line in whole.not_counted:
        click.echo(f"NOT COUNTED, so that the numbers are too low: {line}")
    for note in _NOTES:
        click.echo(note)


def _json(row: Row, price: float) -> dict[str, object]:
    month = row.posts_per_day * DAYS_PER_MONTH
    return {
        "feed": row.feed,
        "rules": row.rules,
        "posts_per_day": round(row.posts_per_day, 1),
        "posts_per_month": round(month),
        "usd_per_month": round(month * price, 2) if price else None,
        "not_counted": row.not_counted,
    }
