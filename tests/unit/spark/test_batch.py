"""What a batch does before it writes."""

from __future__ import annotations

import pytest
from kafka.errors import KafkaTimeoutError

from citypulse.spark.config import Config, Kafka
from citypulse.spark.counting import batch
from citypulse.spark.counting.batch import Sink


def sink(monkeypatch: pytest.MonkeyPatch, failures: int, wait_seconds: float = 60) -> tuple[Sink, list[int]]:
    """One of which the topics of names and gaps can be read after so many failures."""
    made = Sink.__new__(Sink)
    made._config = Config(kafka=Kafka(wait_seconds=wait_seconds))
    calls: list[int] = []

    def learn() -> None:
        calls.append(1)
        if len(calls) <= failures:
            raise KafkaTimeoutError("no broker")

    monkeypatch.setattr(made, "_learn", learn)
    monkeypatch.setattr(batch, "_PAUSE_SECONDS", 0.01)
    return made, calls


def test_it_waits_for_brokers(monkeypatch: pytest.MonkeyPatch) -> None:
    made, calls = sink(monkeypatch, 3)
    made._learn_in_time()
    assert len(calls) == 4


def test_it_fails_when_they_stay_away(monkeypatch: pytest.MonkeyPatch) -> None:
    made, calls = sink(monkeypatch, 1_000_000, wait_seconds=0.1)
    with pytest.raises(KafkaTimeoutError):
        made._learn_in_time()
    assert len(calls) > 1
