"""Each gap reaches Kafka as it is, again and again until that is acknowledged."""

import msgspec
from kafka.errors import KafkaError
from kafka.future import Future

from citypulse.events import gap as gaps
from citypulse.events.gap import Gap
from citypulse.producer.send.notices import Notices


class Book:
    def __init__(self, *known: Gap) -> None:
        self.news = {gap.id: gap for gap in known}

    def unpublished(self) -> list[Gap]:
        return list(self.news.values())

    def published(self, gap: Gap) -> None:
        if self.news.get(gap.id) == gap:
            del self.news[gap.id]


class Kafka:
    def __init__(self) -> None:
        self.handed: list[tuple[str, Gap]] = []
        self.futures: list[Future] = []

    def hand_over(self, topic: str, value: bytes, key: bytes) -> Future:
        gap = gaps.decode(value)
        assert key == gap.id.encode()
        self.handed.append((topic, gap))
        self.futures.append(Future())
        return self.futures[-1]


FIRST = Gap("main-1", "main", ("all",), ("CA",), 1, None, "network")
SECOND = Gap("main-5", "main", ("all",), ("CA",), 5, 9, "stalled")


def test_gaps_are_handed_over_once_and_noted_when_acknowledged() -> None:
    book, kafka = Book(FIRST, SECOND), Kafka()
    notices = Notices(book, "demo")
    notices.publish(kafka.hand_over)
    notices.publish(kafka.hand_over)
    assert kafka.handed == [("demo.gaps", FIRST), ("demo.gaps", SECOND)]
    assert notices.waiting
    for future in kafka.futures:
        future.success(None)
    notices.publish(kafka.hand_over)
    assert book.news == {}
    assert not notices.waiting


def test_a_gap_that_changed_meanwhile_is_handed_over_again() -> None:
    book, kafka = Book(FIRST), Kafka()
    notices = Notices(book, "")
    notices.publish(kafka.hand_over)
    ended = msgspec.structs.replace(FIRST, end=7)
    book.news[FIRST.id] = ended
    kafka.futures[0].success(None)
    notices.publish(kafka.hand_over)
    assert [gap for _, gap in kafka.handed] == [FIRST, ended]


def test_one_that_failed_or_whose_client_is_gone_is_handed_over_again() -> None:
    book, kafka = Book(FIRST), Kafka()
    notices = Notices(book, "")
    notices.publish(kafka.hand_over)
    kafka.futures[0].failure(KafkaError())
    notices.publish(kafka.hand_over)
    notices.forget()
    notices.publish(kafka.hand_over)
    assert len(kafka.handed) == 3
    assert book.news
