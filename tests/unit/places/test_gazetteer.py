"""What is known of cities before X names any."""

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from citypulse.places import geonames
from citypulse.places.box import distance_km
from citypulse.places.gazetteer import FAR_KM
from tests.unit.places.made import towns


def ids(country: str, name: str) -> list[int]:
    return [town.id for town in geonames().named(country, name)]


def test_namesakes_are_told_apart_by_country() -> None:
    assert ids("GB", "London") == [2643743]
    assert ids("CA", "London") == [6058560]
    assert ids("ZZ", "London") == []


def test_large_cities_are_known_in_other_languages() -> None:
    assert ids("GB", "Londres") == ids("GB", "ロンドン") == [2643743]
    assert ids("CA", "Montreal") == ids("CA", "MONTRÉAL") == [6077243]


def test_small_ones_by_their_own_name() -> None:
    assert ids("CA", "Val-d'Or") == ids("CA", "Val d\u2019Or".replace(" ", "-")) == [6173017]


@pytest.mark.parametrize(
    ("country", "name", "state"),
    [("US", "New York", True), ("US", "Oklahoma", True), ("US", "Chicago", False), ("CA", "Oregon", False)],
)
def test_states_of_the_us_are_no_cities(country: str, name: str, state: bool) -> None:
    assert geonames().is_state(country, name) == state


def test_a_point_is_explained_by_the_city_it_is_nearest_to_for_its_size() -> None:
    two = towns(("CA", "Large", 45.0, -75.0, 1_000_000), ("CA", "Small", 45.2, -75.0, 10_000))
    assert [town.name for town in two.explains("CA", 45.05, -75.0)] == ["Large"]
    assert [town.name for town in two.explains("CA", 45.199, -75.0)] == ["Small"]
    assert [town.name for town in two.explains("CA", 45.182, -75.0)] == ["Small", "Large"]


def test_a_point_far_from_all_or_abroad_is_explained_by_none() -> None:
    assert geonames().explains("CA", 70.0, -100.0) == []
    assert geonames().explains("US", 43.7, -79.4)[:1] == []


def test_a_point_is_explained_across_the_antimeridian() -> None:
    suva = towns(("FJ", "Suva", -18.0, 179.95, 90_000))
    assert [town.name for town in suva.explains("FJ", -18.0, -179.95)] == ["Suva"]


@given(st.floats(-89, 89), st.floats(-180, 180), st.floats(0, FAR_KM * 0.99), st.floats(0, 2 * math.pi))
def test_every_city_that_is_near_is_found(lat: float, lon: float, km: float, bearing: float) -> None:
    town_lat = max(-89.0, min(89.0, lat + math.sin(bearing) * km / 111.2))
    town_lon = lon + math.cos(bearing) * km / 111.2 / math.cos(math.radians(lat))
    one = towns(("CA", "One", town_lat, (town_lon + 180) % 360 - 180, 1000))
    near = distance_km(lat, lon, town_lat, town_lon) <= FAR_KM
    assert bool(one.explains("CA", lat, lon)) == near
