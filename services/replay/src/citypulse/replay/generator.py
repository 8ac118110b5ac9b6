"""Tweets that nobody wrote, with all that makes real ones hard to count; the same for one seed and start.

A post's city is drawn by population and the local hour, its author by a Zipf law among the city's users. Some
posts answer, quote or retweet earlier ones (the more often retweeted, the likelier again), some are edited,
some arrive late, some arrive twice. Disorder is bounded by posts.LATEST_MS, so a watermark of 10 minutes
drops nothing.
"""

import heapq
from collections.abc import Callable, Iterator
from datetime import UTC, datetime

from citypulse.events.messages import Message
from citypulse.replay.config import Generator
from citypulse.replay.pace import Due, Pace
from citypulse.replay.posts import PostMaker
from citypulse.replay.world import World

__all__ = ["generate", "open_generator", "start_of"]

_USUAL_DENSITY = 50.0
_DAY_MS = 86_400_000


def open_generator(world: World, options: Generator, pace: Pace) -> Callable[[int], Iterator[Due]]:
    """The generator as a source that begins when the clock first runs."""
    return lambda now_ms: generate(world, options, pace, start_of(options, pace, now_ms))


def start_of(options: Generator, pace: Pace, now_ms: int) -> int:
    """The first event time in ms: the configured one, else such that each post is created before it is sent.

    An endless source that plays faster than its events happen begins a day back.
    """
    if options.start:
        moment = datetime.fromisoformat(options.start)
        return int((moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp() * 1000)
    # At a fixed rate newer posts take the turns of those under way late, and must not lie in the future.
    under_way_ms = options.late * 90_000 + options.edits * 80_000 + options.duplicates * 30_000
    ahead_ms = 3_000 + 1.5 * under_way_ms
    speed, seconds = _speed(options, pace), _event_seconds(options, pace)
    if seconds is None:
        return int(now_ms - ahead_ms - (_DAY_MS if speed > 1 else 0))
    return int(now_ms - ahead_ms - max(0.0, seconds - seconds / speed) * 1000)


def generate(world: World, options: Generator, pace: Pace, start_ms: int) -> Iterator[Due]:
    """Yield messages in the order in which they arrive: without end, or as many or as long as asked."""
    maker = PostMaker(world, options)
    seconds = _event_seconds(options, pace)
    end_ms = start_ms + seconds * 1000 if seconds is not None else float("inf")
    arrivals: list[tuple[float, int, Message]] = []
    sent = 0
    for now_ms, numbered in _made(maker, options, pace, start_ms, end_ms):
        while arrivals and arrivals[0][0] <= now_ms:
            arrival_ms, _, message = heapq.heappop(arrivals)
            yield Due(pace.due(sent, arrival_ms - start_ms), message)
            sent += 1
        for arrival in numbered:
            heapq.heappush(arrivals, arrival)
    while arrivals:
        # What would arrive after the end arrives with it.
        arrival_ms, _, message = heapq.heappop(arrivals)
        yield Due(pace.due(sent, min(arrival_ms, end_ms) - start_ms), message)
        sent += 1


def _made(
    maker: PostMaker, options: Generator, pace: Pace, start_ms: int, end_ms: float
) -> Iterator[tuple[float, list[tuple[float, int, Message]]]]:
    """Times at which posts are created, each with its messages (arrival in ms, number, message)."""
    density = _density(options, pace)
    # At a rate each message takes its turn, edits and copies too, so that event time keeps up with the clock.
    steady = pace.rate is not None and not options.density
    now_ms, made = float(start_ms), 0
    while made < options.count if options.count else now_ms < end_ms:
        numbered = [
            (arrival, made + n, message) for n, (arrival, message) in enumerate(maker.post(now_ms, end_ms))
        ]
        if options.count:
            numbered = numbered[: options.count - made]
        yield now_ms, numbered
        made += len(numbered)
        if steady:
            now_ms += len(numbered) * 1000 / density
        else:
            now_ms += maker.rng.expovariate(density * maker.busyness(now_ms)) * 1000


def _density(options: Generator, pace: Pace) -> float:
    return options.density or pace.rate or _USUAL_DENSITY


def _speed(options: Generator, pace: Pace) -> float:
    """Event seconds a second."""
    if pace.rate is not None:
        return pace.rate / _density(options, pace)
    return pace.speed or float("inf")


def _event_seconds(options: Generator, pace: Pace) -> float | None:
    """How much event time is generated, None without end.

    A duration is that of the stream: at speed 10 it holds 10 times as much.
    """
    if options.count:
        return options.count / _density(options, pace)
    if not options.duration_seconds:
        return None
    return options.duration_seconds * (1.0 if pace.unlimited else _speed(options, pace))
