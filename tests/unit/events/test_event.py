"""An event survives its way through Kafka, and carries no text."""

import datetime

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from citypulse.events import event as events
from citypulse.events.event import Event, Ref

INT64 = st.integers(0, 2**63 - 1)
TEXT = st.text(max_size=20)
DEGREES = st.floats(-180, 180)
EVENTS = st.builds(
    Event,
    id=INT64,
    post=INT64,
    at=INT64,
    author=INT64 | st.none(),
    refs=st.lists(st.builds(Ref, type=TEXT, id=INT64), max_size=3),
    place_id=TEXT | st.none(),
    country=TEXT | st.none(),
    city=TEXT | st.none(),
    lat=DEGREES | st.none(),
    lon=DEGREES | st.none(),
    feeds=st.lists(TEXT, max_size=3),
    received=INT64,
    source=TEXT,
)


@given(EVENTS)
def test_what_is_encoded_is_decoded_the_same(event: Event) -> None:
    assert events.decode(events.encode(event)) == event


@given(EVENTS)
def test_the_key_is_the_posts_id_in_decimal(event: Event) -> None:
    assert events.key(event) == str(event.post).encode("ascii")


def test_every_field_is_there_even_where_it_is_null() -> None:
    event = Event(1, 1, 2, None, [], None, None, None, None, None, ["all"], 3, "main")
    assert msgspec.json.decode(events.encode(event)) == {
        "id": 1,
        "post": 1,
        "at": 2,
        "author": None,
        "refs": [],
        "place_id": None,
        "country": None,
        "city": None,
        "lat": None,
        "lon": None,
        "feeds": ["all"],
        "received": 3,
        "source": "main",
    }


@pytest.mark.parametrize("value", [b"", b"{}", b'{"id": "1"}', b"\xff"])
def test_what_is_no_event_is_refused(value: bytes) -> None:
    with pytest.raises((msgspec.DecodeError, UnicodeDecodeError)):
        events.decode(value)


def test_the_time_is_in_the_posts_id() -> None:
    # A post whose created_at is known to the second, from X's own documentation of edits.
    created = datetime.datetime(2022, 10, 3, 17, 57, 1, tzinfo=datetime.UTC)
    assert events.post_created_at_ms(1576994746135764992) // 1000 == created.timestamp()
