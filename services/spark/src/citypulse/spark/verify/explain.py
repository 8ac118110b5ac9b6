"""The tweets behind a number, one by one, as the topics hold them."""

import unicodedata
from typing import NamedTuple

from kafka.errors import KafkaError
from rich.console import Console
from rich.table import Table

from citypulse.spark import kept, times, topics
from citypulse.spark.config import Config
from citypulse.spark.errors import BadInputError
from citypulse.spark.verify import names, records, report, topic
from citypulse.spark.verify.tally import ALL_COUNTRIES, WINDOW_MS, City, Post


class Tweet(NamedTuple):
    """One record whose post is in the window."""

    id: int
    post: Post
    feed: str
    place: str
    """Topic, partition and offset of its record."""
    counts: bool
    """False for a copy of a post that counts already."""


def explain(config: Config, place: str, window: str) -> None:
    """List them, in the order of the topics' offsets.

    Args:
        place: a city's id or shown name, a country's code, or `*` for all countries.
        window: a time in the window.

    Raises:
        BadInputError: the place is not known, or its name is that of several cities; or the time is none.
        StopError: Kafka cannot be read.
    """
    start = times.moment(window, "--explain") // WINDOW_MS * WINDOW_MS
    try:
        known = names.read(config)
        country, city = which(place, known)
        found = _tweets(config, start, country, city)
    except (KafkaError, TimeoutError, OSError) as error:
        raise topics.unread(config.kafka, error) from error
    _show(report.console(), found, f"{place}, {report.time(start)} to {report.time(start + WINDOW_MS)}")


def which(place: str, known: dict[str, City]) -> tuple[str | None, str | None]:
    """Country and city that are meant; a null country is all of them, a null city the whole country.

    Raises:
        BadInputError: it is not known, or several cities are called so.
    """
    if place == ALL_COUNTRIES:
        return None, None
    if len(place) == 2 and place.isupper():
        return place, None
    if place in known or (place[2:3] == ":" and place[:2].isupper()):
        return place[:2], place
    wanted = _plain(place)
    called = sorted(city for city, name in known.items() if _plain(name.name or "") == wanted)
    if len(called) > 1:
        raise BadInputError(
            f"--explain {place}: several cities are called so, {', '.join(called)}: give the id of one"
        )
    if not called:
        raise BadInputError(
            f"--explain {place}: no city is called so: give its name as it is shown, its id, a country or *"
        )
    return called[0][:2], called[0]


def _tweets(config: Config, start: int, country: str | None, city: str | None) -> list[Tweet]:
    result: list[Tweet] = []
    seen: set[tuple[int, str]] = set()
    consumer = topics.consumer(config.kafka, "citypulse-spark-verify")
    try:
        some = kept.partitions(consumer, config.prefixed_topics)
        whole = kept.whole_after(consumer, some)
        if whole is not None and start <= whole:
            report.console().print("The topics may hold this window only in part: retention took their head.")
        since, until = kept.offsets_at(consumer, some, start - kept.AHEAD_MS), kept.ends(consumer, some)
        for partition, batch in topic.read(consumer, since, until):
            for record in batch:
                one = records.read(record.value, record.timestamp)
                post = one.post
                if post is None:
                    continue
                where = f"{partition.topic}/{partition.partition}/{record.offset}"
                for feed in one.feeds:
                    counts = (post.post, feed) not in seen
                    seen.add((post.post, feed))
                    inside = post.window == start and country in (None, post.country)
                    if inside and city in (None, post.city):
                        result.append(Tweet(one.id, post, feed, where, counts))
    finally:
        consumer.close()
    return sorted(result, key=lambda tweet: (tweet.post.at, tweet.id, tweet.place))


def _show(out: Console, found: list[Tweet], title: str) -> None:
    shown = Table("id", "created (UTC)", "author", "kind", "feed", "record", "", title=title)
    for one in found:
        kind = "+".join(sorted(one.post.kinds)) or "original"
        at = f"{report.time(one.post.at)}.{one.post.at % 1000:03d}"
        author = "" if one.post.author is None else str(one.post.author)
        shown.add_row(str(one.id), at, author, kind, one.feed, one.place, "" if one.counts else "copy")
    out.print(shown)
    for feed in sorted({one.feed for one in found}):
        counted = [one.post for one in found if one.counts and one.feed == feed]
        tweets = [post for post in counted if not post.retweet]
        users = {post.author for post in tweets} - {None}
        out.print(
            f"{feed}: {len(tweets)} tweets, {len(counted) - len(tweets)} retweets, {len(users)} active users"
        )
    if not found:
        out.print("No tweet is in this window.")


def _plain(name: str) -> str:
    return unicodedata.normalize("NFC", name).casefold()
