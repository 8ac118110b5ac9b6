"""A city is shown as it was first seen, or in Latin letters where those are wanted and known."""

import pytest

from citypulse.places import Gazetteer, Resolver, geonames
from citypulse.places.gazetteer import Town
from citypulse.places.shown import is_latin, latin_names
from tests.unit.places.made import Stream, place, square

MOSCOW = ("RU", "Moscow", 55.75, 37.62, 12_000_000)


def gazetteer(*towns: tuple[str, str, float, float, int]) -> Gazetteer:
    known = [
        (Town(number, name, *rest), ["Москва"]) for number, (*rest, name) in enumerate(map(_name_last, towns))
    ]
    return Gazetteer(known, countries={"RU": "Russia"})


def _name_last(town: tuple[str, str, float, float, int]) -> tuple[str, float, float, int, str]:
    country, name, lat, lon, people = town
    return country, lat, lon, people, name


def moscow(full_name: str, lat: float = 55.75) -> tuple[str, str]:
    return latin_names(place("m", "city", full_name, square(lat, 37.6), "RU"), "RU", gazetteer(MOSCOW))


def test_in_latin_letters_with_the_english_name_of_its_country() -> None:
    assert moscow("Москва, Россия") == ("Moscow", "Moscow, Russia")


def test_with_what_it_lies_in_where_that_is_in_latin_letters() -> None:
    assert moscow("Москва, Moscow Oblast") == ("Moscow", "Moscow, Moscow Oblast")


@pytest.mark.parametrize("full_name", ["Moscou, Russie", "Montréal, Québec", "Lot 35, Prince Edward Island"])
def test_a_name_in_latin_letters_stays_as_it_was_seen(full_name: str) -> None:
    assert moscow(full_name) == (full_name.split(",")[0], full_name)


def test_a_city_that_nobody_knows_stays_as_it_was_seen() -> None:
    assert moscow("Мытищи, Россия") == ("Мытищи", "Мытищи, Россия")
    assert moscow("Москва, Россия", lat=50.0) == ("Москва", "Москва, Россия")


def test_one_of_two_namesakes_stays_as_it_was_seen() -> None:
    two = gazetteer(MOSCOW, ("RU", "Moskva", 55.76, 37.61, 20_000))
    assert latin_names(place("m", "city", "Москва, Россия", None, "RU"), "RU", two)[0] == "Москва"


def test_the_name_is_the_first_seen_unless_latin_letters_are_wanted() -> None:
    first = place("m", "city", "Москва, Россия", square(55.75, 37.6), "RU")
    for wanted, shown in ((False, "Москва, Россия"), (True, "Moscow, Russia")):
        stream = Stream()
        stream.resolver = Resolver(geonames(), latin_names=wanted)
        found = stream.locate(first).city
        assert found is not None
        assert found.full_name == shown


@pytest.mark.parametrize(
    ("name", "latin"), [("Łódź", True), ("Lot 35", True), ("", True), ("東京", False), ("Toкyo", False)]
)
def test_letters_are_latin_or_not(name: str, latin: bool) -> None:
    assert is_latin(name) == latin
