"""The circuit opens for a reason, probes before it closes, and does not flicker."""

from dataclasses import dataclass, field

import pytest
from hypothesis import given
from hypothesis import strategies as st

from citypulse.producer.config import Circuit as Thresholds
from citypulse.producer.send.circuit import Circuit, Signals

STEP = 0.25


@dataclass
class Sender:
    """What a sender would tell, moved on by the test."""

    circuit: Circuit = field(default_factory=lambda: Circuit(Thresholds()))
    now: float = 100.0
    in_flight: float = 0.1
    journaled: int = 0
    acknowledged: int = 0
    errors: int = 0
    age: float = 0.0
    blocked: str = ""

    def go(
        self, seconds: float, journaled: float = 100, acknowledged: float = 100, errors: float = 0
    ) -> list[str]:
        """Let time pass at so many records a second; the states it came through."""
        states = []
        begun = (self.journaled, self.acknowledged, self.errors)
        for step in range(1, int(seconds / STEP) + 1):
            self.now += STEP
            self.journaled = begun[0] + int(journaled * step * STEP)
            self.acknowledged = begun[1] + int(acknowledged * step * STEP)
            self.errors = begun[2] + int(errors * step * STEP)
            self.observe()
            states.append(self.circuit.state)
        return states

    def observe(self) -> None:
        self.circuit.observe(
            Signals(
                now=self.now,
                in_flight=self.in_flight,
                journaled=self.journaled,
                acknowledged=self.acknowledged,
                acknowledgements=self.acknowledged,
                errors=self.errors,
                unacknowledged_seconds=self.age,
                blocked=self.blocked,
                anything_in_flight=self.in_flight > 0,
            )
        )


def test_it_stays_closed_while_kafka_takes_what_comes() -> None:
    assert set(Sender().go(60)) == {"closed"}


def test_a_backlog_that_drains_fast_is_no_pressure_though_the_buffer_is_full() -> None:
    sender = Sender(in_flight=1.0)
    sender.journaled = 1_000_000
    assert set(sender.go(60, journaled=100, acknowledged=5000)) == {"closed"}


def test_a_full_buffer_that_drains_slower_than_the_stream_slows_it_and_relief_closes_it() -> None:
    sender = Sender(in_flight=0.9)
    assert sender.go(20, journaled=100, acknowledged=50)[-1] == "slowed"
    assert sender.circuit.share() == 0.5
    assert "50%" in sender.circuit.reason
    sender.in_flight = 0.5
    assert sender.go(20, journaled=100, acknowledged=120)[-1] == "closed"


def test_a_buffer_that_is_full_for_a_moment_slows_nothing() -> None:
    sender = Sender(in_flight=0.9)
    assert set(sender.go(5, journaled=100, acknowledged=50)) == {"closed"}
    sender.in_flight = 0.6
    assert set(sender.go(60, journaled=100, acknowledged=50)) == {"closed"}


@pytest.mark.parametrize(
    ("trouble", "reason"),
    [
        ({"blocked": "tweets/1 has no leader"}, "tweets/1 has no leader"),
        ({"age": 10.0}, "was not acknowledged for 10 s"),
    ],
)
def test_trouble_opens_it_at_once_with_its_reason(trouble: dict[str, object], reason: str) -> None:
    sender = Sender()
    sender.go(5)
    for name, value in trouble.items():
        setattr(sender, name, value)
    assert sender.go(STEP, acknowledged=0) == ["open"]
    assert reason in sender.circuit.reason
    assert sender.circuit.share() == 0


def test_many_errors_open_it_and_few_do_not() -> None:
    few = Sender()
    assert set(few.go(30, acknowledged=100, errors=1)) == {"closed"}
    many = Sender()
    assert "open" in many.go(30, acknowledged=2, errors=4)
    assert "of the attempts failed" in many.circuit.reason


def test_an_open_circuit_probes_and_closes_when_the_probe_is_acknowledged() -> None:
    sender = Sender(blocked="no broker answers")
    sender.go(STEP)
    assert set(sender.go(30, acknowledged=0)) == {"open"}
    sender.blocked = ""
    sender.in_flight = 0.0
    assert sender.go(STEP, acknowledged=0) == ["half_open"]
    assert sender.circuit.probing
    assert sender.go(1, acknowledged=0)[-1] == "half_open"
    assert sender.go(0.5, acknowledged=10)[-1] == "closed"
    assert sender.circuit.reason == ""


def test_a_probe_that_is_not_acknowledged_opens_it_again_for_twice_as_long() -> None:
    sender = Sender(age=10.0)
    sender.go(STEP)
    waits = []
    for _ in range(6):
        opened = sender.now
        while sender.circuit.state == "open":
            sender.go(STEP, acknowledged=0)
        waits.append(round(sender.now - opened))
        while sender.circuit.state == "half_open":
            sender.go(STEP, acknowledged=0)
    assert waits == [1, 2, 4, 8, 15, 15]


def test_what_was_in_flight_and_is_acknowledged_is_a_probe_too() -> None:
    sender = Sender(age=10.0)
    sender.go(STEP, acknowledged=0)
    assert sender.circuit.state == "open"
    sender.age = 0.0
    assert sender.go(STEP * 3, acknowledged=50)[-1] == "closed"


def test_with_nothing_to_send_brokers_that_answer_are_enough_to_close_it() -> None:
    sender = Sender(blocked="no broker answers", in_flight=0.0)
    sender.go(STEP, 0, 0)
    sender.blocked = ""
    assert sender.go(5, 0, 0)[-1] == "closed"


STRETCH = st.tuples(
    st.floats(0, 1),  # in flight
    st.integers(0, 500),  # journaled a second
    st.integers(0, 500),  # acknowledged a second
    st.floats(0, 60),  # age
    st.sampled_from(["", "no broker answers"]),
)


@given(st.lists(STRETCH, min_size=1, max_size=20))
def test_whatever_happens_it_closes_once_all_is_well_and_never_pushes_while_blocked(
    stretches: list[tuple[float, int, int, float, str]],
) -> None:
    sender = Sender()
    for sender.in_flight, journaled, acknowledged, sender.age, sender.blocked in stretches:
        states = sender.go(3, journaled, 0 if sender.blocked else acknowledged)
        if sender.blocked:
            assert states[-1] == "open"
    sender.in_flight, sender.age, sender.blocked = 0.1, 0.0, ""
    assert sender.go(120)[-1] == "closed"
