"""Made-up tweets: as X sends them, and as the event that stands for each in Kafka."""

import random
from typing import NamedTuple

import msgspec

from citypulse.events.event import Event, Ref, encode, post_created_at_ms
from citypulse.events.messages import Message

START = 1767311999_000
"""One second before midnight and the start of a window: 2026-01-01 23:59:59 UTC."""

CITIES = [
    ("CA", "36775d842cbec509", "Montréal, Québec"),
    ("CA", "0b2f4d6d9f2a3c11", "Val-d'Or, Québec"),
    ("CA", "5d058f2e9fe1516c", "London, Ontario"),
    ("GB", "457b4814b4240d87", "London, England"),
    ("JP", "5ab538af7e3d614b", "大阪市 北区"),
]
KINDS = [[], [], ["replied_to"], ["quoted"], ["replied_to", "quoted"], ["retweeted"]]


class Tweet(NamedTuple):
    message: Message
    event: Event


def tweet(
    number: int = 1,
    at: int = START,
    author: int | None = 7,
    kinds: list[str] | None = None,
    place: tuple[str, str, str] | None = CITIES[0],
    place_type: str = "city",
    feeds: tuple[str, ...] = ("all",),
    edit_of: int | None = None,
    retweet_of: Event | None = None,
) -> Tweet:
    """A tweet; `at` is its creation in ms, and its id is of that moment. `edit_of` is the id of its first
    version. A retweet has no place of its own: its event has that of `retweet_of`, and its feeds, if that is
    known."""
    identity = snowflake(at, number)
    first = edit_of or identity
    kinds = ["retweeted"] if retweet_of else kinds or []
    retweet = "retweeted" in kinds
    place = None if retweet else place
    data = {
        "id": str(identity),
        "edit_history_tweet_ids": [str(one) for one in dict.fromkeys((first, identity))],
        "created_at": created_at(at),
        "text": "no matter",
    }
    if author is not None:
        data["author_id"] = str(author)
    referred = retweet_of.id if retweet_of else 5
    if kinds:
        data["referenced_tweets"] = [{"type": kind, "id": str(referred)} for kind in kinds]
    includes = {}
    if place:
        data["geo"] = {"place_id": place[1]}
        box = [-73.9, 45.4, -73.5, 45.7]
        shown = {
            "id": place[1],
            "full_name": place[2],
            "name": place[2],
            "place_type": place_type,
            "country_code": place[0],
            "geo": {"bbox": box},
        }
        includes = {"places": [shown]}
    tags = ["+retweets"] if retweet else feeds
    rules = [{"id": str(n), "tag": f"citypulse/main/{feed}/{n}"} for n, feed in enumerate(tags)]
    event = Event(
        id=identity,
        post=first,
        at=post_created_at_ms(first) if edit_of else at,
        author=author,
        refs=[Ref(kind, referred) for kind in kinds],
        place_id=place and place[1],
        country=place and place[0],
        city=f"{place[0]}:{place[1]}" if place and place_type == "city" else None,
        lat=None,
        lon=None,
        feeds=sorted(feeds),
        received=at + 700,
        source="main",
    )
    if retweet_of:
        event = msgspec.structs.replace(
            event,
            country=retweet_of.country,
            city=retweet_of.city,
            lat=retweet_of.lat,
            lon=retweet_of.lon,
            feeds=retweet_of.feeds,
        )
    return Tweet(Message(data, includes, rules), event)


def many(count: int, seed: int) -> list[Tweet]:
    """Tweets of all kinds over 25 minutes, in disorder, with copies and edits."""
    chance = random.Random(seed)
    made: list[Tweet] = []
    for number in range(count):
        at = START + chance.randrange(25 * 60) * 1000
        if made and chance.random() < 0.05:
            made.append(chance.choice(made))
            continue
        if made and chance.random() < 0.1:
            earlier = chance.choice(made).event
            if not any(ref.type == "retweeted" for ref in earlier.refs) and earlier.country:
                after = max(at, earlier.at + 1000)
                made.append(tweet(number, at=after, author=chance.randrange(60), retweet_of=earlier))
                continue
        original = chance.choice(made).event if made and chance.random() < 0.05 else None
        made.append(
            tweet(
                number,
                at=original.at + 60_000 if original else at,
                author=chance.choice([None, *range(1, 60)]),
                kinds=chance.choice(KINDS),
                place=chance.choice([None, *CITIES]),
                place_type=chance.choice(["city", "city", "city", "poi", "admin"]),
                feeds=chance.choice([("all",), ("all",), ("all", "vote"), ("vote",)]),
                edit_of=original.post if original else None,
            )
        )
    return made


def snowflake(at: int, number: int) -> int:
    return ((at - 1288834974657) << 22) | number


def created_at(at: int) -> str:
    import datetime

    moment = datetime.datetime.fromtimestamp(at / 1000, datetime.UTC)
    return moment.strftime("%Y-%m-%dT%H:%M:%S.") + f"{at % 1000:03d}Z"


def lines(made: list[Tweet]) -> str:
    """Values of Kafka's records, one a line."""
    return "".join(encode(one.event).decode() + "\n" for one in made)


def truth(made: list[Tweet]) -> str:
    """The truth file that replay would write."""
    head = '{"truth":1,"source":"test","seed":null}\n'
    deliveries = (
        msgspec.json.encode({"at": 1, "stream": 1, "token": "00000000", "message": one.message}).decode()
        for one in made
    )
    return head + "".join(line + "\n" for line in deliveries)
