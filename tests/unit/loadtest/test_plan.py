"""When requests leave, what they hold, and what is told of them."""

from __future__ import annotations

import math
from datetime import datetime
from itertools import pairwise

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from citypulse.events.messages import Message
from citypulse.loadtest.plan import MOST_REQUESTS_S, Plan, Planned
from citypulse.loadtest.posts import bodies
from citypulse.loadtest.record import Record

plans = st.builds(Plan, st.floats(0.1, 5000), st.floats(1, 20))


@given(plans)
def test_the_plan_has_every_post_once_and_none_before_it_is_due(plan: Plan) -> None:
    requests = list(plan.requests())
    assert sum(request.posts for request in requests) == plan.posts
    left = 0
    for request in requests:
        assert math.isclose(request.at, (left + request.posts - 1) / plan.rate)
        left += request.posts
    assert requests[-1].at <= max(plan.seconds, 1 / plan.rate)


@given(plans)
def test_requests_are_as_many_as_replay_is_asked_at_most_and_evenly_apart(plan: Plan) -> None:
    requests = list(plan.requests())
    gaps = [after.at - before.at for before, after in pairwise(requests[:-1])]
    assert all(gap >= 1 / MOST_REQUESTS_S - 1e-9 for gap in gaps)
    assert not gaps or max(gaps) - min(gaps) < 1e-6


def test_what_is_due_grows_with_the_rate_and_ends_with_the_plan() -> None:
    plan = Plan(10, 3)
    assert [plan.due(at) for at in (-1, 0, 0.95, 1, 2.95, 100)] == [0, 1, 10, 11, 30, 30]


def test_each_request_holds_its_posts_created_before_it_leaves_and_with_a_place() -> None:
    plan, now_ms = Plan(200, 5), 1_800_000_000_000
    posts: list[tuple[Planned, Message]] = []
    for request, body in zip(plan.requests(), bodies(plan, now_ms), strict=True):
        made = msgspec.json.decode(body, type=list[Message])
        assert len(made) == request.posts
        posts += [(request, message) for message in made]
    assert len(posts) == 1000
    for request, message in posts:
        created = datetime.fromisoformat(message.data["created_at"]).timestamp()
        assert created <= now_ms / 1000 + request.at
        assert created > now_ms / 1000 - 600
    assert sum("geo" in message.data for _, message in posts) > 950
    kinds = {one["type"] for _, m in posts for one in m.data.get("referenced_tweets", ())}
    assert kinds == {"replied_to", "quoted"}


def test_lateness_and_answers_count_from_the_planned_time() -> None:
    """Held up for two seconds, a sender must not say that it was answered fast."""
    record = Record(Plan(2, 2))
    for at in (0.0, 0.5, 1.0, 1.5):
        planned = Planned(at, 1)
        now = max(at, 2.5) if at else 0.0
        record.left(planned, now)
        record.answered(planned, now + 0.1)
    whole = record.whole()
    assert (whole["late_requests"], whole["late_s"]["most"]) == (2, 2.0)
    assert whole["answered_s"] == {"p50": 1.1, "p95": 2.1, "p99": 2.1, "most": 2.1}
    assert (whole["planned"], whole["sent"], whole["taken"], whole["failed"]) == (4, 4, 4, 0)


def test_posts_that_were_refused_or_never_answered_are_failed_with_their_reason() -> None:
    record = Record(Plan(10, 1))
    for number, reason in enumerate(("", "HTTP 400", "HTTP 400", None)):
        planned = Planned(number / 10, 2)
        record.left(planned, number / 10)
        if reason is not None:
            record.answered(planned, number / 10, reason)
    assert record.so_far(0.3) == {
        "at": 0.3,
        "planned": 4,
        "sent": 8,
        "taken": 2,
        "failed": 4,
        "late_s": 0.0,
    }
    whole = record.whole()
    assert (whole["taken"], whole["failed"]) == (2, 6)
    assert whole["reasons"] == {"HTTP 400": 2, "no answer": 1}


@pytest.mark.parametrize("rate", [0.2, 1, 49.9])
def test_a_slow_plan_has_a_request_for_each_post(rate: float) -> None:
    assert {request.posts for request in Plan(rate, 10).requests()} == {1}
