"""Whatever is done to a journal, and wherever the power goes: what was accepted is there."""

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, rule

from citypulse.producer.errors import StopError

from .model import KILLED, POLICIES, Model

USERS = st.lists(st.sampled_from([11, 12, 13]), min_size=1, max_size=5)
SHARES = st.floats(0, 1)
ACTIONS = st.sampled_from(["append", "acknowledge", "prune", "rotate", "forget", "reopen", "die"])
POLICY = st.sampled_from(sorted(POLICIES))
END = st.sampled_from([KILLED, *sorted(POLICIES)])


class Journal(RuleBasedStateMachine):
    @initialize(seed=st.integers(0, 1 << 32))
    def begin(self, seed: int) -> None:
        self.patch = pytest.MonkeyPatch()
        self.model = Model(self.patch, seed)

    @rule(users=USERS)
    def append(self, users: list[int]) -> None:
        self.model.append(users)

    @rule()
    def read(self) -> None:
        self.model.read()

    @rule(share=SHARES)
    def acknowledge(self, share: float) -> None:
        self.model.acknowledge(share)

    @rule(needs_room=st.booleans())
    def prune(self, needs_room: bool) -> None:
        self.model.prune(needs_room)

    @rule()
    def rotate(self) -> None:
        self.model.rotate()

    @rule()
    def reopen(self) -> None:
        self.model.close()
        self.model.open()

    @rule()
    def die(self) -> None:
        self.model.die()

    @rule(user=st.sampled_from([11, 12, 13]), running=st.booleans())
    def forget(self, user: int, running: bool) -> None:
        self.model.forget(user, running)

    @rule(users=USERS, room=st.integers(0, 200))
    def append_to_a_full_disk(self, users: list[int], room: int) -> None:
        self.model.disk.capacity = self.model.disk.used() + room
        self.model.append(users)
        self.model.disk.capacity = None

    @rule(users=USERS, room=st.integers(0, 100), share=SHARES, needs_room=st.booleans())
    def go_on_while_the_disk_is_full(
        self, users: list[int], room: int, share: float, needs_room: bool
    ) -> None:
        self.model.disk.capacity = self.model.disk.used() + room
        self.model.read()
        self.model.acknowledge(share)
        self.model.prune(needs_room)
        self.model.append(users)
        self.model.disk.capacity = None

    @rule(
        users=USERS,
        calls=st.sampled_from([["write"], ["sync"], ["sync directory"], ["sync", "truncate"]]),
        number=st.sampled_from([5, 28]),
    )
    def append_to_a_failing_disk(self, users: list[int], calls: list[str], number: int) -> None:
        self.model.disk.failures = dict.fromkeys(calls, number)
        try:
            self.model.append(users)
        except OSError as error:
            assert error.errno == 5
            self.model.die()
        except StopError:
            assert "truncate" in calls
            self.model.die()
        self.model.disk.failures = {}

    @rule(share=SHARES, call=st.sampled_from(["write", "sync", "rename", "sync directory"]))
    def acknowledge_on_a_disk_that_is_short(self, share: float, call: str) -> None:
        self.model.read()
        self.model.disk.failures = {call: 28}
        self.model.acknowledge(share)
        self.model.disk.failures = {}
        self.model.prune(needs_room=True)

    @rule(action=ACTIONS, after=st.integers(0, 12), end=END, users=USERS, share=SHARES)
    def end_in_the_middle(self, action: str, after: int, end: str, users: list[int], share: float) -> None:
        self.model.with_crash(after, end, lambda: self._do(action, users, share))

    @rule(policy=POLICY)
    def crash(self, policy: str) -> None:
        self.model.crash(policy)

    @rule(after=st.integers(0, 8), first=POLICY, second=POLICY)
    def crash_while_opening_after_a_crash(self, after: int, first: str, second: str) -> None:
        self.model.disk.crash(POLICIES[first], self.model.rng)
        self.model.writer = self.model.reader = None
        if not self.model.with_crash(after, second, self.model.open):
            self.model.check()

    def _do(self, action: str, users: list[int], share: float) -> None:
        model = self.model
        if action == "append":
            model.append(users)
        elif action == "acknowledge":
            model.read()
            model.acknowledge(share)
        elif action == "prune":
            model.prune(share > 0.5)
        elif action == "rotate":
            model.rotate()
        elif action == "forget":
            model.forget(users[0], share > 0.5)
        elif action == "reopen":
            model.close()
            model.open()
        else:
            model.die()

    def teardown(self) -> None:
        if hasattr(self, "model"):
            self.model.check()
            self.patch.undo()


class DamagedJournal(Journal):
    """One whose disk does not keep what it has, either."""

    @rule(share=SHARES)
    def flip(self, share: float) -> None:
        self.model.flip(share)

    @rule(share=SHARES)
    def tear(self, share: float) -> None:
        self.model.tear(share)

    @rule()
    def lose_cursor(self) -> None:
        self.model.lose_cursor()


Journal.TestCase.settings = DamagedJournal.TestCase.settings = settings(
    max_examples=200, stateful_step_count=40, deadline=None, report_multiple_bugs=False
)
TestJournal = Journal.TestCase
TestDamagedJournal = DamagedJournal.TestCase


def scenario(model: Model) -> None:
    """A bit of everything, the same each time."""
    for _ in range(6):
        model.append([11, 12])
        model.read()
        model.acknowledge(0.5)
        model.prune(needs_room=False)
    model.append([11, 13, 12])
    model.rotate()
    model.forget(12, running=True)
    for _ in range(6):
        model.append([13, 12, 11])
    model.read()
    model.acknowledge(1.0)
    model.prune(needs_room=True)
    model.append([12, 11])
    model.close()
    model.open()
    model.forget(11, running=False)
    model.disk.capacity = model.disk.used() + 50
    model.append([11] * 3)
    model.disk.capacity = None
    model.append([11] * 6)


@pytest.mark.parametrize("policy", [KILLED, *sorted(POLICIES)])
def test_a_crash_at_any_boundary_loses_nothing_that_was_accepted(
    monkeypatch: pytest.MonkeyPatch, policy: str
) -> None:
    with monkeypatch.context() as patch:
        whole = Model(patch)
        begun = whole.disk.boundaries
        scenario(whole)
        boundaries = whole.disk.boundaries - begun
    assert boundaries > 100
    for boundary in range(boundaries):
        for seed in range(3):
            with monkeypatch.context() as patch:
                model = Model(patch, seed)
                assert model.with_crash(boundary, policy, lambda model=model: scenario(model)), boundary  # type: ignore[misc]
                model.append([11, 12, 13])
                model.read()
                model.acknowledge(1.0)
                model.prune(needs_room=True)
                model.crash("nothing unsynced survives")
