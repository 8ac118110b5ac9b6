"""Locust's file: one user, whose requests leave when they are planned to, whatever becomes of those before.

locust -f sender.py --headless -u 1 --host http://127.0.0.1:8900 --posts-per-second 200 --seconds 60
"""

from __future__ import annotations

import json
import time
from pathlib import Path
from typing import Any

import gevent
from gevent.pool import Group
from locust import FastHttpUser, events, task
from locust.exception import StopUser

from citypulse.loadtest.plan import Plan, Planned
from citypulse.loadtest.posts import bodies
from citypulse.loadtest.record import Record

_LEAD_S = 1.0
"""From the making of the first posts to the first request."""

_ANSWER_S = 10.0
"""An answer that takes longer does not come."""


@events.init_command_line_parser.add_listener  # type: ignore[untyped-decorator]  # locust has no types
def _arguments(parser: Any) -> None:
    parser.add_argument("--posts-per-second", type=float, default=200.0, help="How many posts leave.")
    parser.add_argument("--seconds", type=float, default=60.0, help="For how long.")
    parser.add_argument("--record", default="sending.jsonl", help="File of what became of them, by seconds.")


class Sender(FastHttpUser):  # type: ignore[misc]  # locust has no types
    """Whoever says something in a city: all of them together, since they do not wait for each other."""

    # Locust's users wait for each answer. This one does not: there are as many connections as it takes.
    concurrency = 10_000
    connection_timeout = _ANSWER_S
    network_timeout = _ANSWER_S

    @task  # type: ignore[untyped-decorator]  # locust has no types
    def send(self) -> None:
        """All of the plan, once; then locust ends."""
        options = self.environment.parsed_options
        plan = Plan(options.posts_per_second, options.seconds)
        self._record = Record(plan)
        made = bodies(plan, int((time.time() + _LEAD_S) * 1000))
        first = next(made)
        self._began = time.monotonic() + _LEAD_S
        with Path(options.record).open("w") as file:
            telling = gevent.spawn(self._tell, file)
            under_way = Group()
            body: bytes | None = first
            for planned in plan.requests():
                assert body is not None  # noqa: S101 - there is one for each
                gevent.sleep(max(0.0, planned.at - self._now()))
                under_way.spawn(self._ask, planned, body)
                # It leaves, and answers are read, before the next posts are made.
                gevent.sleep(0)
                body = next(made, None)
            under_way.join(timeout=2 * _ANSWER_S)
            self.client.delete("/ingest", name="end")
            telling.kill()
            whole = {**self._record.whole(), "began": time.time() - self._now()}
            self._write(file, {**self._record.so_far(self._now()), "whole": whole})
        # Quitting ends the greenlet that asks for it, so another one does.
        gevent.spawn(self.environment.runner.quit)
        raise StopUser

    def _now(self) -> float:
        return time.monotonic() - self._began

    def _ask(self, planned: Planned, body: bytes) -> None:
        headers = {"Content-Type": "application/json"}
        self._record.left(planned, self._now())
        answer = self.client.post("/ingest", data=body, headers=headers, name="posts")
        taken = answer.status_code == 202
        self._record.answered(planned, self._now(), "" if taken else _why(answer))

    def _tell(self, file: Any) -> None:
        while True:
            self._write(file, self._record.so_far(self._now()))
            gevent.sleep(1.0)

    def _write(self, file: Any, line: dict[str, Any]) -> None:
        file.write(json.dumps(line) + "\n")
        file.flush()


def _why(answer: Any) -> str:
    if answer.status_code:
        return f"HTTP {answer.status_code}"
    return type(answer.error).__name__
