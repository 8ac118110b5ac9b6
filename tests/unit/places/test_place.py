"""A place survives its way through Kafka, and knows where its middle is."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from citypulse import places
from citypulse.places import Place

TEXT = st.text(max_size=20)
PLACES = st.builds(
    Place,
    id=TEXT,
    city=TEXT,
    country=TEXT,
    type=TEXT,
    name=TEXT,
    full_name=TEXT,
    lat=st.floats(-90, 90) | st.none(),
    lon=st.floats(-180, 180) | st.none(),
    at=st.integers(0, 2**53),
)


@given(PLACES)
def test_what_is_encoded_is_decoded_the_same_and_keyed_by_city(place: Place) -> None:
    assert places.decode(places.encode(place)) == place
    assert places.key(place) == place.city.encode()


def test_a_city_is_named_by_country_and_place_id() -> None:
    assert places.city_id("CA", "36775d842cbec509") == "CA:36775d842cbec509"


def test_each_run_has_places_of_its_own() -> None:
    assert places.topic_name("") == "places"
    assert places.topic_name("demo") == "demo.places"


@pytest.mark.parametrize(
    ("bbox", "middle"),
    [
        ((-74.0, 45.0, -73.0, 46.0), (45.5, -73.5)),
        ((2.0, 48.0, 2.0, 48.0), (48.0, 2.0)),
        ((177.0, -20.0, -178.0, -16.0), (-18.0, 179.5)),
        ((179.0, -20.0, -175.0, -16.0), (-18.0, -178.0)),
    ],
)
def test_the_middle_of_a_box(bbox: tuple[float, float, float, float], middle: tuple[float, float]) -> None:
    assert places.bbox_centre(bbox) == middle


@given(st.floats(-180, 180), st.floats(-90, 90), st.floats(-180, 180), st.floats(-90, 90))
def test_the_middle_is_on_the_globe(west: float, south: float, east: float, north: float) -> None:
    lat, lon = places.bbox_centre((west, south, east, north))
    assert -90 <= lat <= 90
    assert -180 <= lon <= 180
