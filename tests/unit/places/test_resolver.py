"""Which city a place belongs to, rule by rule."""

import pytest

from citypulse.places import Geo, Resolver
from tests.unit.places.made import AT, Stream, place, square, towns

HOUR_MS = 3_600_000
TORONTO = place("t", "city", "Toronto, Ontario", square(43.7, -79.4, 0.2))
LONDON_CA = place("lc", "city", "London, Ontario", square(42.98, -81.25))
LONDON_GB = place("lg", "city", "London, England", square(51.51, -0.12), country="GB")
GREATER_LONDON = place("g", "admin", "London, England", (-0.51, 51.29, 0.33, 51.69), country="GB")
TOWNS = towns(
    ("CA", "Toronto", 43.7, -79.42, 2_700_000),
    ("CA", "London", 42.98, -81.23, 420_000),
    ("GB", "London", 51.508, -0.126, 8_900_000),
)


class TestCity:
    def test_is_itself(self) -> None:
        assert Stream().city(TORONTO) == "CA:t"

    def test_is_itself_whatever_contains_it_and_wherever_the_post_was_sent_from(self) -> None:
        stream = Stream(TOWNS)
        stream.city(TORONTO)
        inner = place("i", "city", "York, Toronto", square(43.7, -79.4, 0.01), contained_within=["t"])
        assert stream.city(inner, point=(0.0, 0.0)) == "CA:i"

    def test_keeps_the_name_it_was_first_seen_with(self) -> None:
        stream = Stream()
        stream.city(TORONTO)
        found = stream.locate(place("t", "city", "トロント, オンタリオ")).city
        assert found is not None
        assert found.full_name == "Toronto, Ontario"

    def test_namesakes_stay_apart(self) -> None:
        stream = Stream(TOWNS)
        assert (stream.city(LONDON_CA), stream.city(LONDON_GB)) == ("CA:lc", "GB:lg")

    def test_without_a_country_is_in_that_of_the_rule(self) -> None:
        nameless = place("t", "city", "Toronto, Ontario", country="")
        assert Stream().city(nameless, rule_country="CA") == "CA:t"
        assert Stream().city(nameless) == "ZZ:t"

    def test_without_a_country_is_in_the_one_that_x_has_named_before(self) -> None:
        stream = Stream()
        stream.city(TORONTO)
        assert stream.city(place("t", "city", "Toronto, Ontario", country="")) == "CA:t"

    def test_is_known_by_its_id_where_x_left_the_object_out(self) -> None:
        stream = Stream()
        stream.city(TORONTO)
        found = stream.locate(None, place_id="t")
        assert (found.country, found.city and found.city.city) == ("CA", "CA:t")
        assert (found.lat, found.lon) == pytest.approx((43.7, -79.4))
        assert stream.locate(None, place_id="u", rule_country="CA")[:3] == ("u", "CA", None)


class TestContainment:
    @pytest.mark.parametrize("kind", ["poi", "neighborhood", "admin", "something new"])
    def test_tells_the_city(self, kind: str) -> None:
        stream = Stream()
        stream.city(TORONTO)
        assert stream.city(place("p", kind, "High Park", contained_within=["t"])) == "CA:t"
        assert stream.city(place("q", kind, "High Park", contained_within=[{"id": "t"}])) == "CA:t"

    def test_tells_nothing_before_the_city_is_known(self) -> None:
        stream = Stream()
        park = place("p", "poi", "High Park", contained_within=["t"])
        assert stream.city(park) is None
        stream.city(TORONTO)
        assert stream.city(park) == "CA:t"

    def test_in_several_cities_means_the_smallest(self) -> None:
        stream = Stream()
        stream.city(TORONTO)
        stream.city(place("y", "city", "York, Ontario", square(43.7, -79.4, 0.05)))
        assert stream.city(place("p", "poi", "A", contained_within=["t", "y"])) == "CA:y"

    def test_in_several_cities_that_cannot_be_compared_means_none(self) -> None:
        stream = Stream()
        stream.city(place("a", "city", "A, Ontario"))
        stream.city(place("b", "city", "B, Ontario"))
        assert stream.city(place("p", "poi", "P", contained_within=["a", "b"])) is None

    def test_in_a_city_of_another_country_means_none(self) -> None:
        stream = Stream()
        stream.city(LONDON_GB)
        assert stream.city(place("p", "poi", "P", contained_within=["lg"])) is None


class TestName:
    def test_of_the_city_in_the_full_name(self) -> None:
        stream = Stream(TOWNS)
        stream.city(TORONTO)
        assert stream.city(place("s", "neighborhood", "Scarborough, Toronto", square(43.77, -79.25, 0.05)))
        assert stream.city(place("w", "neighborhood", "Westmount, Montréal", square(43.7, -79.4, 0.01))) == (
            "CA:t"
        )

    def test_is_not_enough_far_away_from_that_city(self) -> None:
        stream = Stream(TOWNS)
        stream.city(TORONTO)
        assert stream.city(place("s", "neighborhood", "Scarborough, Toronto", square(45.0, -75.0))) is None

    def test_of_another_city_that_is_not_known_yet_forbids_what_lies_over_it(self) -> None:
        gazetteer = towns(
            ("CA", "Toronto", 43.7, -79.42, 2_700_000), ("CA", "Vaughan", 43.84, -79.5, 300_000)
        )
        stream = Stream(gazetteer)
        stream.city(TORONTO)
        quarter = place("m", "neighborhood", "Maple, Vaughan", square(43.75, -79.42, 0.01))
        assert stream.city(quarter) is None

    def test_without_boxes_tells_the_city_if_the_country_has_one_of_that_name(self) -> None:
        quarter = place("o", "neighborhood", "Old East, London")
        stream = Stream(TOWNS)
        stream.city(place("lc", "city", "London, Ontario"))
        assert stream.city(quarter) == "CA:lc"
        two = towns(("CA", "London", 42.98, -81.23, 420_000), ("CA", "London", 50.0, -100.0, 20_000))
        stream = Stream(two)
        stream.city(place("lc", "city", "London, Ontario"))
        assert stream.city(quarter) is None

    def test_tells_the_city_of_an_admin_place_that_is_smaller_than_it(self) -> None:
        stream = Stream(TOWNS)
        stream.city(LONDON_GB)
        part = place("w", "admin", "Westminster, London", square(51.5, -0.15, 0.03), country="GB")
        more = place("s", "admin", "Home Counties, London", square(51.5, -0.15, 0.6), country="GB")
        assert (stream.city(part), stream.city(more)) == ("GB:lg", None)

    def test_of_a_city_abroad_tells_nothing(self) -> None:
        stream = Stream(TOWNS)
        stream.city(LONDON_GB)
        assert stream.city(place("o", "neighborhood", "Old East, London", square(51.51, -0.12, 0.01))) is None


class TestAdminPlaceThatIsACity:
    def test_is_the_city_place_of_its_name(self) -> None:
        stream = Stream(TOWNS)
        stream.city(LONDON_GB)
        stream.city(LONDON_CA)
        assert stream.city(GREATER_LONDON) == "GB:lg"

    def test_waits_an_hour_of_event_time_for_the_city_place_and_then_is_one_of_its_own(self) -> None:
        stream = Stream(TOWNS)
        assert stream.city(GREATER_LONDON) is None
        assert stream.city(GREATER_LONDON, at=AT + HOUR_MS - 1) is None
        assert stream.city(GREATER_LONDON, at=AT + HOUR_MS) == "GB:g"
        assert stream.city(GREATER_LONDON, at=AT) == "GB:g"

    def test_stays_the_city_it_became(self) -> None:
        stream = Stream(TOWNS)
        stream.city(GREATER_LONDON)
        stream.city(GREATER_LONDON, at=AT + HOUR_MS)
        assert stream.city(LONDON_GB) == "GB:lg"
        assert stream.city(GREATER_LONDON) == "GB:g"

    def test_is_a_region_where_its_box_is_too_large_for_the_citys_people(self) -> None:
        gazetteer = towns(("BR", "São Paulo", -23.55, -46.63, 12_000_000))
        state = place("s", "admin", "São Paulo, Brazil", (-53.1, -25.3, -44.2, -19.8), country="BR")
        stream = Stream(gazetteer)
        stream.city(place("c", "city", "São Paulo, Brazil", square(-23.55, -46.63, 0.3), country="BR"))
        assert stream.city(state) is None
        assert stream.city(state, at=AT + HOUR_MS) is None

    def test_is_a_region_where_no_city_of_its_name_is_in_it(self) -> None:
        stream = Stream(TOWNS)
        ontario = place("o", "admin", "Ontario, Canada", (-95.2, 41.7, -74.3, 56.9))
        stream.city(TORONTO)
        assert stream.city(ontario) is None
        assert stream.city(ontario, at=AT + HOUR_MS) is None

    def test_is_not_taken_for_one_at_its_middle(self) -> None:
        stream = Stream(TOWNS)
        stream.city(TORONTO)
        assert stream.city(place("y", "admin", "York Region, Ontario", square(43.7, -79.4, 0.3))) is None


class TestBox:
    def test_over_the_middle_of_a_place_tells_the_city(self) -> None:
        stream = Stream(TOWNS)
        stream.city(TORONTO)
        assert stream.city(place("p", "poi", "CN Tower", square(43.64, -79.39, 0))) == "CA:t"

    def test_across_the_antimeridian(self) -> None:
        stream = Stream()
        stream.city(place("s", "city", "Suva, Fiji", (179.8, -18.3, -179.8, -18.0), country="FJ"))
        for lon in (179.9, 180.0, -180.0, -179.9):
            assert stream.city(place(f"p{lon}", "poi", "P", square(-18.1, lon, 0), country="FJ")) == "FJ:s"
        assert stream.city(place("q", "poi", "Q", square(-18.1, 179.0, 0), country="FJ")) is None

    def test_of_two_the_smaller_one_in_whose_middle_the_place_is(self) -> None:
        stream = Stream()
        stream.city(TORONTO)
        stream.city(place("y", "city", "York, Ontario", square(43.7, -79.4, 0.05)))
        assert stream.city(place("p", "poi", "P", square(43.71, -79.4, 0))) == "CA:y"

    def test_at_whose_edge_a_place_is_tells_nothing_where_it_is_nearer_to_anothers_middle(self) -> None:
        stream = Stream()
        stream.city(TORONTO)
        stream.city(place("y", "city", "York, Ontario", square(43.79, -79.4, 0.1)))
        assert stream.city(place("p", "poi", "P", square(43.7, -79.4, 0))) is None

    def test_over_a_place_that_a_city_explains_which_is_not_known_yet_tells_nothing(self) -> None:
        gazetteer = towns(
            ("CA", "Toronto", 43.7, -79.42, 2_700_000), ("CA", "Mississauga", 43.59, -79.64, 720_000)
        )
        stream = Stream(gazetteer)
        stream.city(place("t", "city", "Toronto, Ontario", (-79.7, 43.55, -79.1, 43.86)))
        square_one = place("p", "poi", "Square One", square(43.593, -79.642, 0))
        assert stream.city(square_one) is None
        stream.city(place("m", "city", "Mississauga, Ontario", square(43.59, -79.64)))
        assert stream.city(square_one) == "CA:m"

    def test_as_large_as_a_province_tells_nothing(self) -> None:
        stream = Stream()
        stream.city(place("n", "city", "Nunavut, Unorganized", (-110.0, 60.0, -61.0, 83.0)))
        assert stream.city(place("p", "poi", "P", square(70.0, -90.0, 0))) is None
        stream.city(place("c", "city", "Chukotka, Russia", (160.0, 64.0, -170.0, 66.0), country="RU"))
        assert stream.city(place("q", "poi", "Q", square(65.0, 175.0, 0), country="RU")) is None


class TestCoordinates:
    @pytest.mark.parametrize("kind", ["admin", "country", "poi"])
    def test_of_the_post_tell_the_city_where_its_place_does_not(self, kind: str) -> None:
        stream = Stream(TOWNS)
        stream.city(TORONTO)
        wide = place("w", kind, "Canada", None)
        assert stream.city(wide) is None
        assert stream.city(wide, point=(43.7, -79.4)) == "CA:t"
        assert stream.city(wide, point=(51.51, -0.12)) is None

    def test_near_a_city_mean_that_city(self) -> None:
        stream = Stream(TOWNS)
        stream.city(place("t", "city", "Toronto, Ontario", square(43.7, -79.4, 0.05)))
        wide = place("w", "country", "Canada", None)
        assert stream.city(wide, point=(43.79, -79.4)) == "CA:t"
        assert stream.city(wide, point=(43.90, -79.4)) is None

    def test_are_the_events_own_whatever_the_place(self) -> None:
        found = Stream().locate(TORONTO, point=(1.0, 2.0))
        assert (found.lat, found.lon) == (1.0, 2.0)
        assert found.city is not None
        assert (found.city.lat, found.city.lon) == pytest.approx((43.7, -79.4))

    def test_without_a_place_name_no_country(self) -> None:
        assert Stream().locate(None, point=(1.0, 2.0))[:5] == (None, None, None, 1.0, 2.0)


class TestReadAgain:
    def test_a_place_has_no_city_that_was_learned_after_it(self) -> None:
        stream = Stream()
        park = place("p", "poi", "High Park", contained_within=["t"])
        assert [stream.city(park), stream.city(TORONTO), stream.city(park)] == [None, "CA:t", "CA:t"]
        stream.number = 0
        assert [stream.city(park), stream.city(TORONTO), stream.city(park)] == [None, "CA:t", "CA:t"]

    def test_an_admin_place_is_no_city_before_it_became_one(self) -> None:
        stream = Stream(TOWNS)
        times = (AT, AT + HOUR_MS, AT)
        first = [stream.city(GREATER_LONDON, at=at) for at in times]
        stream.number = 0
        assert first == [stream.city(GREATER_LONDON, at=at) for at in times] == [None, "GB:g", "GB:g"]

    def test_a_place_id_alone_is_no_city_that_was_learned_after_it(self) -> None:
        stream = Stream()
        assert stream.locate(None, place_id="t").city is None
        stream.city(TORONTO)
        stream.number = 0
        assert stream.locate(None, place_id="t").city is None


def test_a_country_has_no_city() -> None:
    stream = Stream(TOWNS)
    stream.city(TORONTO)
    canada = place("c", "country", "Canada", square(43.7, -79.4, 0.2), contained_within=["t"])
    assert stream.city(canada) is None


def test_a_post_without_geo_is_nowhere() -> None:
    assert Resolver().locate(None, [], "CA", AT, (AT, 1))[:5] == (None,) * 5
    assert Resolver().locate(Geo(), [], "CA", AT, (AT, 1))[:5] == (None,) * 5
