"""The same messages in the same order give the same cities, however often and from where on they are read."""

import msgspec
from hypothesis import example, given
from hypothesis import strategies as st

from citypulse.places import Gazetteer, Geo, Location, Place, Resolver, XPlace
from tests.unit.places.made import AT, place, square, towns

KINDS = ("city", "admin", "poi", "neighborhood", "country", "")
NAMES = ("London", "Paris", "Springfield")
GAZETTEER = towns(
    ("CA", "London", 10.0, 179.9, 400_000),
    ("GB", "London", 10.1, 179.95, 9_000_000),
    ("CA", "Paris", 10.2, -179.9, 50_000),
)


def _place(
    number: int, kind: str, name: str, country: str, lat: float, half: float, contained: int
) -> XPlace:
    """Of one id there are several names, and in a city's case boxes, but nothing else that differs."""
    box = square(lat, 179.95, half)
    crossing = (box[0], box[1], box[2] - 360 if box[2] > 180 else box[2], box[3])
    full_name = name if kind in ("poi", "country") else f"{name}, {NAMES[number % 3]}"
    bbox = None if number % 5 == 4 else crossing
    place_id = f"city{number}" if kind == "city" else f"{kind}{number} {lat} {half} {contained}"
    return place(place_id, kind, full_name, bbox, country, contained_within=[f"city{contained}"])


PLACES = st.builds(
    _place,
    st.integers(0, 6),
    st.sampled_from(KINDS),
    st.sampled_from(NAMES),
    st.sampled_from(("CA", "GB", "")),
    st.sampled_from((10.0, 10.1, 10.2, 11.0)),
    st.sampled_from((0.0, 0.1, 0.3, 4.0)),
    st.integers(0, 6),
)


class Message(msgspec.Struct):
    """A message as it is read: with its place, or with the id alone."""

    place: XPlace
    with_object: bool
    point: tuple[float, float] | None
    country: str
    later_ms: int


MESSAGES = st.lists(
    st.builds(
        Message,
        PLACES,
        st.sampled_from((True, True, True, False)),
        st.none() | st.tuples(st.floats(179.8, 180), st.floats(9.9, 10.3)),
        st.sampled_from(("CA", "GB", "ZZ")),
        st.integers(0, 2 * 3_600_000),
    ),
    max_size=25,
)


def locate(resolver: Resolver, message: Message, number: int) -> Location:
    geo = {"place_id": message.place.id}
    if message.point is not None:
        geo["coordinates"] = {"coordinates": message.point}  # type: ignore[assignment]
    # All are received in one millisecond, so that the sequence alone tells their order.
    return resolver.locate(
        msgspec.convert(geo, Geo),
        [message.place] if message.with_object else [],
        message.country,
        AT + message.later_ms,
        (AT, number),
    )


def read(resolver: Resolver, messages: list[Message], start: int = 0) -> list[tuple[str | None, str | None]]:
    """Country and city of each."""
    found = [locate(resolver, message, start + number) for number, message in enumerate(messages)]
    return [(one.country, one.city and one.city.city) for one in found]


def once(messages: list[Message], gazetteer: Gazetteer = GAZETTEER) -> list[tuple[str | None, str | None]]:
    return read(Resolver(gazetteer), messages)


@given(MESSAGES)
def test_what_is_read_again_is_resolved_as_the_first_time(messages: list[Message]) -> None:
    resolver = Resolver(GAZETTEER)
    first = read(resolver, messages)
    assert read(resolver, messages) == first


@given(MESSAGES, st.integers(0, 25))
def test_a_restart_with_what_was_published_goes_on_as_if_nothing_had_happened(
    messages: list[Message], cut: int
) -> None:
    messages = [msgspec.structs.replace(message, later_ms=0) for message in messages]
    whole = Resolver(GAZETTEER)
    expected = read(whole, messages)
    restarted = Resolver(GAZETTEER)
    # Published are all cities up to the death, also those of messages that are read again.
    restarted.learn(whole.cities())
    assert read(restarted, messages[cut:], cut) == expected[cut:]


@given(MESSAGES)
def test_later_messages_change_nothing_about_earlier_ones(messages: list[Message]) -> None:
    assert all(once(messages[:end]) == once(messages)[:end] for end in range(len(messages)))


@given(MESSAGES)
def test_a_city_is_of_the_posts_country_and_has_been_named_by_x(messages: list[Message]) -> None:
    resolver = Resolver(GAZETTEER)
    named: set[str] = set()
    for number, message in enumerate(messages):
        found = locate(resolver, message, number)
        if found.city is not None:
            assert found.city.country == found.country
            assert found.city.id in named | {message.place.id}
        if message.with_object:
            named.add(message.place.id)


@given(MESSAGES)
def test_a_place_of_type_city_is_always_itself(messages: list[Message]) -> None:
    for message, (country, city) in zip(messages, once(messages), strict=True):
        if message.place.place_type == "city" and message.with_object:
            assert city == f"{country}:{message.place.id}"


@given(MESSAGES)
def test_a_country_without_coordinates_has_no_city(messages: list[Message]) -> None:
    for message, (_, city) in zip(messages, once(messages), strict=True):
        if message.place.place_type == "country" and message.point is None:
            assert city is None


@given(MESSAGES)
def test_what_was_learned_survives_its_way_through_the_topic(messages: list[Message]) -> None:
    resolver = Resolver(GAZETTEER)
    read(resolver, messages)
    for city in resolver.cities():
        assert msgspec.json.decode(msgspec.json.encode(city), type=Place) == city


@given(
    st.floats(allow_nan=False, allow_infinity=False),
    st.floats(allow_nan=False, allow_infinity=False),
    st.lists(st.floats(allow_nan=False, allow_infinity=False), min_size=4, max_size=4),
    st.sampled_from(KINDS),
)
@example(1.7e308, 1.7e308, [1.7e308] * 4, "poi")
@example(0.0, 0.0, [-1.7e308, 0.0, 1.7e308, 0.0], "poi")
def test_numbers_that_are_no_degrees_do_no_harm(lat: float, lon: float, bbox: list[float], kind: str) -> None:
    resolver = Resolver(GAZETTEER)
    odd = place("odd", kind, "Odd, London", (bbox[0], bbox[1], bbox[2], bbox[3]))
    geo = msgspec.convert({"place_id": "odd", "coordinates": {"coordinates": (lon, lat)}}, Geo)
    for number in range(2):
        assert resolver.locate(geo, [odd], "CA", AT, (AT, number)).country == "CA"
