"""What a recount may touch, what it changes, and what it takes off the list."""

from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import pytest

from citypulse.spark.config import Config
from citypulse.spark.errors import BadInputError
from citypulse.spark.reprocess import apply, due
from citypulse.spark.reprocess.changes import COUNTS, Before, Changes, Told, find, merge
from citypulse.spark.reprocess.coverage import CUT, LIVE, covered
from citypulse.spark.reprocess.run import Outcome, Request
from citypulse.spark.reprocess.source import Journal, look

M = 60_000
WINDOW = 5 * M
STAMP = 1_000_000


class TestCoverage:
    def test_all_of_a_span_is_recounted_where_nothing_was_deleted_and_no_job_is(self) -> None:
        assert covered((0, 10 * WINDOW), None, None) == ((0, 10 * WINDOW), {})

    def test_windows_that_have_not_ended_for_the_job_are_left_to_it(self) -> None:
        span = 0, 10 * WINDOW
        assert covered(span, None, 3 * WINDOW) == ((0, 3 * WINDOW), {LIVE: (3 * WINDOW, 10 * WINDOW)})
        assert covered(span, None, 4 * WINDOW - 1)[0] == (0, 3 * WINDOW)
        assert covered(span, None, 0) == (None, {LIVE: span})

    @pytest.mark.parametrize(("after", "first"), [(0, WINDOW), (WINDOW - 1, WINDOW), (WINDOW, 2 * WINDOW)])
    def test_a_window_that_starts_when_something_may_be_missing_is_left_alone(
        self, after: int, first: int
    ) -> None:
        assert covered((0, 10 * WINDOW), after, None) == ((first, 10 * WINDOW), {CUT: (0, first)})

    def test_nothing_may_be_left(self) -> None:
        span = 2 * WINDOW, 3 * WINDOW
        assert covered(span, 9 * WINDOW, None) == (None, {CUT: span})
        assert covered(span, 2 * WINDOW, 3 * WINDOW) == (None, {CUT: span})

    def test_journals_give_what_retention_took_if_each_reaches_to_where_the_topics_are_whole(self) -> None:
        span, after = (2 * WINDOW, 10 * WINDOW), 6 * WINDOW
        reaches = Journal(Path("a"), 0, 6 * WINDOW)
        assert covered(span, after, None, [reaches]) == (span, {})
        ends_early = Journal(Path("b"), 0, 5 * WINDOW - 1)
        assert covered(span, after, None, [reaches, ends_early])[0] == (7 * WINDOW, 10 * WINDOW)

    def test_of_several_journals_the_one_that_begins_last_decides(self) -> None:
        journals = [Journal(Path("a"), 0, 9 * WINDOW), Journal(Path("b"), 2 * WINDOW, 9 * WINDOW)]
        assert covered((0, 10 * WINDOW), 6 * WINDOW, None, journals)[0] == (4 * WINDOW, 10 * WINDOW)


def cell(city: str = "CA:1", tweets: int = 3, **other: Any) -> dict[str, Any]:
    counts = {**dict.fromkeys(COUNTS, 1), "tweets": tweets, "unresolved": 0, "users_sketch": b"a"}
    return {"feed": "all", "country": "CA", "city_id": city, "window_start": WINDOW, **counts, **other}


def before(of: dict[str, Any], written: int = STAMP - 1, **other: Any) -> Before:
    row = {**of, "written": written, "gap_seconds": None, **other}
    return Before(row, dict(row) if of["city_id"] else None)


KEY = ("all", "CA", "CA:1", WINDOW)
COUNTRY = ("all", "CA", "", WINDOW)


class TestChanges:
    def test_equal_rows_are_not_written_again(self) -> None:
        found = find([cell(), cell("")], {KEY: before(cell()), COUNTRY: before(cell(""))}, STAMP)
        assert (found.write, found.remove, found.newer) == ([], {}, set())
        assert found.told["all", "CA"] == Told(cells=2)

    @pytest.mark.parametrize("name", [*COUNTS, "users_sketch"])
    def test_any_column_that_differs_is_written(self, name: str) -> None:
        other = before(cell(), **{name: b"b" if name == "users_sketch" else 9})
        assert find([cell()], {KEY: other}, STAMP).write == [cell()]

    def test_a_row_that_one_of_the_tables_lacks_is_written(self) -> None:
        for half in (Before(None, before(cell()).by_country), Before(before(cell()).row, None)):
            assert find([cell()], {KEY: half}, STAMP).write == [cell()]

    def test_an_unresolved_count_of_a_country_that_differs_is_written(self) -> None:
        assert find([cell("")], {COUNTRY: before(cell(""), unresolved=1)}, STAMP).write == [cell("")]

    def test_beyond_what_a_sketch_keeps_its_bytes_may_differ(self) -> None:
        many = cell(active_users=5000)
        assert find([many], {KEY: before(many, users_sketch=b"b")}, STAMP).write == []

    def test_a_row_that_should_not_be_there_is_removed(self) -> None:
        there = {KEY: before(cell()), COUNTRY: before(cell("", tweets=2))}
        found = find([], there, STAMP)
        assert found.remove == there
        assert found.told["all", "CA"] == Told(removed=2, tweets=-2, retweets=-1, windows={WINDOW})

    def test_a_row_that_only_says_what_was_not_received_stays(self) -> None:
        nothing = dict.fromkeys((*COUNTS, "unresolved", "users_sketch"))
        gap = before({**cell(""), **nothing}, gap_seconds=60)
        assert find([], {COUNTRY: gap}, STAMP).remove == {}

    def test_what_was_written_after_the_recount_began_is_left(self) -> None:
        newer = before(cell(tweets=9), written=STAMP)
        found = find([cell()], {KEY: newer, COUNTRY: before(cell(""), written=STAMP)}, STAMP)
        assert (found.write, found.remove, found.newer) == ([], {}, {KEY, COUNTRY})

    def test_it_is_told_by_how_much_a_country_changed_and_never_twice(self) -> None:
        there = {KEY: before(cell(tweets=1)), COUNTRY: before(cell("", tweets=1))}
        told = find([cell(tweets=5), cell("", tweets=5), cell("CA:2")], there, STAMP).told["all", "CA"]
        assert (told.cells, told.changed, told.added, told.tweets) == (3, 2, 1, 4)
        together = {("all", "CA"): told}
        merge(together, {("all", "CA"): Told(1, 1, 0, 0, 2, 0, {0}), ("all", "GB"): Told(cells=1)})
        assert (told.cells, told.changed, told.tweets, told.windows) == (4, 3, 6, {0, WINDOW})
        assert together["all", "GB"].cells == 1


class TestApplying:
    def test_countries_come_after_their_cities(self, monkeypatch: pytest.MonkeyPatch) -> None:
        done: list[tuple[str, list[str]]] = []

        def write(cells: Iterable[Any], *_: Any, **__: Any) -> Iterator[None]:
            done.append(("write", [one["city_id"] for one in cells]))
            yield

        def remove(_session: Any, todo: list[tuple[Any, tuple[Any, ...]]], *_: Any) -> None:
            done.append(("remove", [str(values[3]) for _, values in todo]))

        monkeypatch.setattr(apply, "write", write)
        monkeypatch.setattr(apply, "execute_all", remove)
        gone = {COUNTRY: before(cell("")), KEY: before(cell())}
        changes = Changes([cell(""), cell("CA:2"), cell("")], gone)
        apply.apply(Session(), Config(), changes, {}, [], STAMP)  # type: ignore[arg-type]
        assert done == [
            ("write", ["CA:2"]),
            ("remove", ["CA:1", "CA:1"]),
            ("write", ["", ""]),
            ("remove", [str(WINDOW)]),
        ]


class Session:
    """Stands for one with Cassandra: remembers what is run."""

    def __init__(self) -> None:
        self.ran: list[tuple[Any, ...]] = []

    def prepare(self, _text: str) -> Any:
        return type("Statement", (), {})()


class TestTheList:
    LISTED = (
        due.Due("late", WINDOW, "all", "CA", 7),
        due.Due("late", WINDOW, "vote", "GB", 8),
        due.Due("checkpoint", 9 * WINDOW, "*", "*", 9),
    )

    def cleared(self, monkeypatch: pytest.MonkeyPatch, request: Request, outcome: Outcome) -> list[Any]:
        ran: list[Any] = []
        monkeypatch.setattr(due, "execute_all", lambda _s, todo, *_: ran.extend(one[1] for one in todo))
        due.clear(Session(), Config(), self.LISTED, request, outcome)
        return ran

    def test_what_was_recounted_goes_with_the_timestamp_it_has(self, monkeypatch: pytest.MonkeyPatch) -> None:
        done = Outcome(STAMP, done=(0, 2 * WINDOW))
        assert self.cleared(monkeypatch, Request((0, 10 * WINDOW)), done) == [
            (7, "late", WINDOW, "all", "CA"),
            (8, "late", WINDOW, "vote", "GB"),
        ]

    def test_what_was_not_asked_for_stays(self, monkeypatch: pytest.MonkeyPatch) -> None:
        done = Outcome(STAMP, done=(0, 10 * WINDOW))
        for request, reasons in (
            (Request((0, 10 * WINDOW), country="CA"), ["CA"]),
            (Request((0, 10 * WINDOW), feed="vote"), ["GB"]),
            (Request((0, 10 * WINDOW), windows=frozenset([9 * WINDOW])), ["*"]),
            (Request((0, 10 * WINDOW), dry_run=True), []),
        ):
            assert [row[-1] for row in self.cleared(monkeypatch, request, done)] == reasons

    def test_nothing_goes_where_nothing_was_done_or_a_row_was_newer(
        self, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        request = Request((0, 10 * WINDOW))
        assert self.cleared(monkeypatch, request, Outcome(STAMP)) == []
        assert self.cleared(monkeypatch, request, Outcome(STAMP, done=(0, 10 * WINDOW), newer=1)) == []


class TestJournals:
    def test_its_first_line_says_what_it_holds(self, tmp_path: Path) -> None:
        file = tmp_path / "events.jsonl"
        file.write_text('{"journal":1,"producer":"main","since":5,"until":9}\n')
        assert look(file) == Journal(file, 5, 9)

    @pytest.mark.parametrize("text", ["", '{"data":{"id":"1"}}\n', "no JSON\n"])
    def test_another_file_is_named(self, tmp_path: Path, text: str) -> None:
        file = tmp_path / "events.jsonl"
        file.write_text(text)
        with pytest.raises(BadInputError, match=r"events\.jsonl does not begin as an export of events does"):
            look(file)

    def test_a_missing_file_is_named(self, tmp_path: Path) -> None:
        with pytest.raises(BadInputError, match="cannot be read: No such file"):
            look(tmp_path / "none")
