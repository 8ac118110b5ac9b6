"""One post after another, made up: who, where, when, in answer to what.

Everything is drawn from one random.Random, so the same seed and times give the same posts.
"""

import random
import time
from bisect import bisect
from collections.abc import Iterator
from functools import lru_cache
from itertools import accumulate
from typing import Any

from citypulse.events.messages import Message
from citypulse.replay.config import Generator
from citypulse.replay.files import SNOWFLAKE_EPOCH_MS
from citypulse.replay.phrases import TOPICS, phrases
from citypulse.replay.world import City, World

__all__ = ["LATEST_MS", "PostMaker"]

Json = dict[str, Any]
Arrival = tuple[float, Message]
"""When a message reaches the stream, in ms since the epoch, and the message."""

LATEST_MS = 240_000
"""No message arrives later after its first version was created than this."""

_DELAY_MS = 1_500
_CURVE_MS = 600_000
_REMEMBERED = 4096
_NEAR_POSTS = 50
"""Among so many of the newest posts a heavy-tailed draw is still about even."""
_ZIPF = 1.05
# How busy each local hour is; about 1 on average.
_HOURS = (
    0.6,
    0.4,
    0.3,
    0.2,
    0.2,
    0.3,
    0.5,
    0.8,
    1.0,
    1.1,
    1.1,
    1.1,
    1.3,
    1.3,
    1.1,
    1.1,
    1.1,
    1.2,
    1.4,
    1.6,
    1.7,
    1.7,
    1.4,
    1.0,
)
# Which type of place a located post carries, cumulated.
_PLACE_TYPES = ((0.78, "city"), (0.86, "admin"), (0.93, "poi"), (0.97, "neighborhood"), (1.0, "country"))
_METRICS = {"retweet_count": 0, "reply_count": 0, "like_count": 0, "quote_count": 0}


class PostMaker:
    """Makes posts for a world; `at` must not go back between calls."""

    def __init__(self, world: World, options: Generator) -> None:
        self.rng = random.Random(options.seed)  # noqa: S311
        self._options = options
        self._cities = world.cities
        self._phrases = phrases(self.rng)
        self._weights: list[float] = [city.population**0.9 for city in world.cities]
        self._mean: float = sum(self._weights)
        self._busy: list[float] = [0.0]
        self._busy_until = float("-inf")
        self._set_users(options.users)
        self._sequence = 0
        # Posts that can be answered or retweeted, newest written over oldest; a retweeted one is entered
        # again.
        self._earlier: list[tuple[Json, Json]] = []
        self._entered = 0

    def busyness(self, at: float) -> float:
        """How busy the whole world is at this time, 1 being its mean over the day."""
        if at >= self._busy_until:
            hour = at / 3_600_000
            local = [int(hour + city.longitude / 15) % 24 for city in self._cities]
            self._busy = list(accumulate(w * _HOURS[h] for w, h in zip(self._weights, local, strict=True)))
            self._busy_until = at - at % _CURVE_MS + _CURVE_MS
        return self._busy[-1] / self._mean

    def post(self, at: float, until: float) -> Iterator[Arrival]:
        """One post created at `at` ms: its message, and where they fall before `until` its edits and a second
        copy.
        """
        self.busyness(at)
        rng, options = self.rng, self._options
        city = self._cities[bisect(self._busy, rng.random() * self._busy[-1])]
        author = self._author(city)
        kind = rng.random()
        if kind < options.retweets and self._earlier:
            message = self._retweet(at, city, author)
        else:
            message = self._own(at, city, author, kind - options.retweets)
        delay = rng.random() * (LATEST_MS - 60_000 if rng.random() < options.late else _DELAY_MS)
        yield at + delay, message
        if rng.random() < options.duplicates:
            yield at + delay + rng.random() * 60_000, message
        if rng.random() < options.edits and "geo" in message.data:
            yield from self._edits(at, until, message)

    def _own(self, at: float, city: City, author: Json, kind: float) -> Message:
        """An original, or by its share a reply or a quote of an earlier post."""
        rng, options = self.rng, self._options
        data = self._data(at, city, author)
        includes: Json = {"users": [author]}
        if self._earlier and kind < options.replies + options.quotes:
            other, other_author = self._choose()
            references: list[Json] = []
            data["referenced_tweets"] = references
            if kind < options.replies:
                self._reply(data, includes, references, other, other_author)
            # A few posts are both an answer and a quote.
            if kind >= options.replies or rng.random() < 0.03:
                references.append({"type": "quoted", "id": other["id"]})
            includes["tweets"] = [other]
        if rng.random() >= options.unlocated:
            place = self._place(city)
            data["geo"] = {"place_id": place["id"]}
            includes["places"] = [place]
            if rng.random() < 0.05:
                data["geo"]["coordinates"] = {"type": "Point", "coordinates": self._point(place, city)}
        self._remember(data, author)
        return Message(data, includes)

    def _reply(
        self, data: Json, includes: Json, references: list[Json], other: Json, other_author: Json
    ) -> None:
        name = other_author["username"]
        references.append({"type": "replied_to", "id": other["id"]})
        data["text"] = f"@{name} {data['text']}"
        for hashtag in data.get("entities", {}).get("hashtags", ()):
            hashtag["start"] += len(name) + 2
            hashtag["end"] += len(name) + 2
        mention = {"start": 0, "end": len(name) + 1, "username": name, "id": other_author["id"]}
        data.setdefault("entities", {})["mentions"] = [mention]
        data["in_reply_to_user_id"] = other_author["id"]
        data["conversation_id"] = other["conversation_id"]
        if other_author["id"] != data["author_id"]:
            includes["users"].append(other_author)

    def _retweet(self, at: float, city: City, author: Json) -> Message:
        """A retweet has no place, and its message holds the original but not the original's place."""
        original, original_author = self._choose_to_retweet()
        self._remember(original, original_author)
        data = self._data(at, city, author)
        data.pop("entities", None)
        text = f"RT @{original_author['username']}: {original['text']}"
        data["text"] = text if len(text) <= 140 else text[:139] + "…"
        data["referenced_tweets"] = [{"type": "retweeted", "id": original["id"]}]
        users = [author] if author["id"] == original_author["id"] else [author, original_author]
        return Message(data, {"users": users, "tweets": [original]})

    def _edits(self, at: float, until: float, message: Message) -> Iterator[Arrival]:
        """One later version of a post, or two. Each is a message of its own, with a new id that ends the
        history.
        """
        data = message.data
        for _ in range(1 + (self.rng.random() < 0.2)):
            later = at + 5_000 + self.rng.random() * 100_000
            if later >= until:
                return
            identity = self._new_id(later)
            data = {
                **data,
                "id": identity,
                "created_at": _iso(later),
                "edit_history_tweet_ids": [*data["edit_history_tweet_ids"], identity],
                "text": data["text"] + " (edited)",
            }
            yield later + self.rng.random() * _DELAY_MS, Message(data, message.includes)
            at = later

    def _data(self, at: float, city: City, author: Json) -> Json:
        rng, identity = self.rng, self._new_id(at)
        data: Json = {
            "author_id": author["id"],
            "conversation_id": identity,
            "created_at": _iso(at),
            "edit_history_tweet_ids": [identity],
            "id": identity,
            "lang": city.language,
            "possibly_sensitive": False,
            "public_metrics": _METRICS,
            "reply_settings": "everyone",
            "text": rng.choice(self._phrases[city.language]),
        }
        if rng.random() < 0.1:
            tag, start = rng.choice(TOPICS), len(data["text"]) + 1
            data["text"] += f" #{tag}"
            data["entities"] = {"hashtags": [{"start": start, "end": start + len(tag) + 1, "tag": tag}]}
        return data

    def _new_id(self, at: float) -> str:
        self._sequence = (self._sequence + 1) % (1 << 22)
        return str((int(at) - SNOWFLAKE_EPOCH_MS << 22) + self._sequence)

    def _place(self, city: City) -> Json:
        drawn = self.rng.random()
        kind = next(name for share, name in _PLACE_TYPES if drawn < share)
        return self.rng.choice(city.places.get(kind) or city.places["city"])

    def _point(self, place: Json, city: City) -> list[float]:
        """Coordinates a post carries beside its place: within it, or for a region or country within the
        city.
        """
        box = (place if place["place_type"] not in ("admin", "country") else city.places["city"][0])["geo"][
            "bbox"
        ]
        return [round(self.rng.uniform(box[0], box[2]), 6), round(self.rng.uniform(box[1], box[3]), 6)]

    def _set_users(self, users: int) -> None:
        total = sum(self._weights)
        self._users = [max(3, int(users * weight / total)) for weight in self._weights]
        self._zipf = list(accumulate(1 / rank**_ZIPF for rank in range(1, max(self._users) + 1)))

    def _author(self, city: City) -> Json:
        """A user of the city by a Zipf law, now and then one who travels."""
        home = city.number if self.rng.random() >= 0.03 else int(self.rng.random() * len(self._cities))
        known = self._users[home]
        rank = bisect(self._zipf, self.rng.random() * self._zipf[known - 1], 0, known - 1)
        return {
            "id": str(1_000_000_000 + home * 1_000_000 + rank),
            "name": f"User {rank} of {home}",
            "username": f"u{home}_{rank}",
        }

    def _choose(self) -> tuple[Json, Json]:
        return self._earlier[int(self.rng.random() * len(self._earlier))]

    def _choose_to_retweet(self) -> tuple[Json, Json]:
        if not (shape := self._options.retweet_tail):
            return self._choose()
        back = _NEAR_POSTS * ((1 - self.rng.random()) ** (-1 / shape) - 1)
        if back >= len(self._earlier):
            return self._choose()
        return self._earlier[(self._entered - 1 - int(back)) % len(self._earlier)]

    def _remember(self, data: Json, author: Json) -> None:
        if len(self._earlier) < _REMEMBERED:
            self._earlier.append((data, author))
        else:
            self._earlier[self._entered % _REMEMBERED] = (data, author)
        self._entered += 1


def _iso(ms: float) -> str:
    """X's timestamps are in whole seconds."""
    return _iso_second(int(ms // 1000))


@lru_cache(maxsize=1024)
def _iso_second(second: int) -> str:
    return time.strftime("%Y-%m-%dT%H:%M:%S.000Z", time.gmtime(second))
