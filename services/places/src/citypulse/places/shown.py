"""The name under which a city is shown.

X names a place in the language that the author's client asked for, and does not say which that is. So the
name that was seen first stays, whatever its language; all that can be told of a name is its letters. Where
Latin ones are wanted and the first name has others, the gazetteer's name stands in, if it knows the city.
"""

import unicodedata

from citypulse.places.box import contains
from citypulse.places.gazetteer import Gazetteer
from citypulse.places.names import within
from citypulse.places.post import XPlace


def names(place: XPlace) -> tuple[str, str]:
    """Short and full name as X gave them; one stands in for the other."""
    return place.name or place.full_name, place.full_name or place.name


def latin_names(place: XPlace, country: str, gazetteer: Gazetteer) -> tuple[str, str]:
    """Short and full name in Latin letters, where X gave others and the gazetteer knows a single such city.

    The full name then ends in what X said the city lies in, or, where that is not in Latin letters, in the
    country's English name.
    """
    name, full_name = names(place)
    if is_latin(name):
        return name, full_name
    box = place.bbox
    towns = [
        town for town in gazetteer.named(country, name) if box is None or contains(box, town.lat, town.lon)
    ]
    if len(towns) != 1:
        return name, full_name
    where = within(full_name)
    if not where or not is_latin(where):
        where = gazetteer.country_name(country)
    return towns[0].name, f"{towns[0].name}, {where}"


def is_latin(name: str) -> bool:
    """Whether all letters of a name are Latin ones."""
    return all(unicodedata.name(letter, "").startswith("LATIN ") for letter in name if letter.isalpha())
