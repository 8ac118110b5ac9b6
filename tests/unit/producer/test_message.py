"""A message of X becomes the event that the design describes."""

import json
from pathlib import Path
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from citypulse import places
from citypulse.events.messages import Report, read
from citypulse.producer import message
from citypulse.producer.config import Config, Feed, Journal
from citypulse.producer.message import Parse, Parsed, UnusableError
from citypulse.producer.stream import rules
from citypulse.producer.stream.client import FIELDS
from citypulse.replay.config import Generator
from citypulse.replay.generator import generate
from citypulse.replay.pace import Pace
from citypulse.replay.world import build_world
from tests.outside import outside

MONTREAL = {
    "id": "36775d842cbec509",
    "full_name": "Montréal, Québec",
    "name": "Montréal",
    "place_type": "city",
    "country_code": "CA",
    "geo": {"type": "Feature", "bbox": [-74.0, 45.0, -73.0, 46.0], "properties": {}},
}
RECEIVED = 1_900_000_000_000


def parser(*feeds: Feed, run: str = "") -> Parse:
    config = Config(run=run, feeds=feeds or (Feed("all", ("CA",)),), journal=Journal("j"))
    return message.parser(config, rules.configured(config))


def stream_message(
    place: dict[str, Any] | None = None, tags: tuple[str, ...] = ("citypulse/main/all/1",), **data: Any
) -> bytes:
    post: dict[str, Any] = {
        "id": "1574236253620420608",
        "author_id": "1420419705689493507",
        "created_at": "2022-09-26T03:15:45.123Z",
        "text": "not to be kept",
        **data,
    }
    if place is not None:
        post["geo"] = {"place_id": place["id"]} | post.get("geo", {})
    return json.dumps(
        {
            "data": post,
            "includes": {"users": [{"id": "1"}], "places": [place] if place else []},
            "matching_rules": [{"id": "7", "tag": tag} for tag in tags],
        }
    ).encode()


def the_event(parsed: Parsed) -> Any:
    ((_, event),) = parsed.deliveries
    return event


def test_a_located_post_has_every_field() -> None:
    parsed = parser()(
        stream_message(MONTREAL, referenced_tweets=[{"type": "replied_to", "id": "1574201254351278080"}]),
        RECEIVED,
    )
    assert msgspec.to_builtins(the_event(parsed)) == {
        "id": 1574236253620420608,
        "post": 1574236253620420608,
        "at": 1664162145123,
        "author": 1420419705689493507,
        "refs": [{"type": "replied_to", "id": 1574201254351278080}],
        "place_id": "36775d842cbec509",
        "country": "CA",
        "city": "CA:36775d842cbec509",
        "lat": 45.5,
        "lon": -73.5,
        "feeds": ["all"],
        "received": RECEIVED,
        "source": "main",
    }
    assert parsed.city == places.Place(
        "36775d842cbec509",
        "CA:36775d842cbec509",
        "CA",
        "city",
        "Montréal",
        "Montréal, Québec",
        45.5,
        -73.5,
        1664162145123,
        bbox=(-74.0, 45.0, -73.0, 46.0),
        learned=(RECEIVED, 0),
    )


def test_a_posts_own_coordinates_win_over_its_places_middle() -> None:
    payload = stream_message(MONTREAL, geo={"coordinates": {"type": "Point", "coordinates": [-73.61, 45.51]}})
    parsed = parser()(payload, RECEIVED)
    assert (the_event(parsed).lat, the_event(parsed).lon) == (45.51, -73.61)
    assert parsed.city is not None
    assert (parsed.city.lat, parsed.city.lon) == (45.5, -73.5)


def test_an_edit_counts_as_its_first_version_at_that_ones_time() -> None:
    history = ["1576994746135764992", "1576994789110992896"]
    event = the_event(
        parser()(
            stream_message(
                id=history[1], edit_history_tweet_ids=history, created_at="2022-10-03T17:57:11.000Z"
            ),
            RECEIVED,
        )
    )
    assert (event.id, event.post) == (1576994789110992896, 1576994746135764992)
    assert event.at // 1000 == 1664819821


def test_an_original_is_its_own_first_version() -> None:
    event = the_event(parser()(stream_message(edit_history_tweet_ids=["1574236253620420608"]), RECEIVED))
    assert event.post == event.id
    assert event.at == 1664162145123


def test_without_a_time_the_id_tells_it() -> None:
    event = the_event(parser()(stream_message(created_at=None), RECEIVED))
    assert event.at // 1000 == 1664162145


def test_without_a_place_everything_about_it_is_null() -> None:
    parsed = parser()(stream_message(), RECEIVED)
    event = the_event(parsed)
    assert (event.place_id, event.country, event.city, event.lat, event.lon) == (None,) * 5
    assert parsed.city is None


@pytest.mark.parametrize("kind", ["poi", "neighborhood", "admin", "country"])
def test_a_place_that_is_no_city_counts_for_its_country_only(kind: str) -> None:
    parsed = parser()(stream_message(MONTREAL | {"place_type": kind}), RECEIVED)
    event = the_event(parsed)
    assert (event.place_id, event.country, event.city) == ("36775d842cbec509", "CA", None)
    assert parsed.city is None


def test_a_place_in_a_city_counts_for_that_city_from_the_next_message_on() -> None:
    parse = parser()
    quarter = MONTREAL | {"id": "b", "place_type": "neighborhood", "full_name": "Le Plateau, Montréal"}
    quarter["contained_within"] = [MONTREAL["id"]]
    before, montreal, after = (
        parse(stream_message(place), RECEIVED, sequence)
        for sequence, place in enumerate((quarter, MONTREAL, quarter))
    )
    assert (the_event(before).city, before.unresolved) == (None, "neighborhood")
    assert (the_event(montreal).city, montreal.unresolved) == ("CA:36775d842cbec509", "")
    assert (the_event(after).city, after.unresolved) == ("CA:36775d842cbec509", "")
    assert after.city == montreal.city
    assert the_event(after).place_id == "b"


def test_the_types_of_places_that_have_no_city_are_a_bounded_label() -> None:
    assert parser()(stream_message(MONTREAL | {"place_type": "planet"}), RECEIVED).unresolved == "other"
    assert parser()(stream_message(geo={"place_id": "nobody's"}), RECEIVED).unresolved == "unknown"
    assert parser()(stream_message(), RECEIVED).unresolved == ""


@pytest.mark.parametrize("odd", [None, "a", 7, {}, [None], [7], [{}], [{"id": 7}]])
def test_what_contains_a_place_may_be_anything(odd: Any) -> None:
    parsed = parser()(stream_message(MONTREAL | {"place_type": "poi", "contained_within": odd}), RECEIVED)
    assert the_event(parsed).country == "CA"


def nameless_country() -> dict[str, Any]:
    return {key: value for key, value in MONTREAL.items() if key != "country_code"}


def test_a_place_without_a_country_takes_the_one_that_the_rule_names() -> None:
    event = the_event(parser()(stream_message(nameless_country()), RECEIVED))
    assert (event.country, event.city) == ("CA", "CA:36775d842cbec509")


def test_a_place_object_that_is_not_there_leaves_the_city_open() -> None:
    payload = stream_message(geo={"place_id": "36775d842cbec509"})
    event = the_event(parser()(payload, RECEIVED))
    assert (event.place_id, event.country, event.city) == ("36775d842cbec509", "CA", None)
    assert parser()(payload, RECEIVED).doubt == "place_without_object"
    assert parser()(stream_message(MONTREAL), RECEIVED).doubt == ""
    assert parser()(stream_message(), RECEIVED).doubt == ""


def test_a_place_whose_country_nobody_names_is_in_zz() -> None:
    parse = parser(Feed("all", ("CA", "GB")), Feed("q", query="cats"))
    for tags in (
        ("citypulse/main/all/1",),
        ("citypulse/main/q/1",),
        ("citypulse/main/all/1", "citypulse/main/q/1"),
    ):
        event = the_event(parse(stream_message(nameless_country(), tags), RECEIVED))
        assert (event.country, event.city) == ("ZZ", "ZZ:36775d842cbec509")


def test_the_feeds_are_those_of_all_matched_rules() -> None:
    parse = parser(Feed("b", ("CA",)), Feed("a", ("GB",)))
    tags = (
        "citypulse/main/b/1",
        "somebody's",
        "citypulse/main/a/1",
        "citypulse/main/b/2",
        "citypulse/other/c/1",
        "",
    )
    assert the_event(parse(stream_message(tags=tags), RECEIVED)).feeds == ["a", "b"]


def test_each_topic_gets_the_feeds_that_are_its_own() -> None:
    parse = parser(Feed("a", ("CA",)), Feed("b", ("GB",)), Feed("c", ("FR",), topic="tweets.fr"), run="demo")
    tags = tuple(f"citypulse/main/{feed}/1" for feed in "cba")
    deliveries = parse(stream_message(tags=tags), RECEIVED).deliveries
    assert [(topic, event.feeds) for topic, event in deliveries] == [
        ("demo.tweets", ["a", "b"]),
        ("demo.tweets.fr", ["c"]),
    ]


def test_a_feed_that_was_configured_when_the_message_was_taken_is_still_sent() -> None:
    ((topic, event),) = parser()(stream_message(tags=("citypulse/main/gone/1",)), RECEIVED).deliveries
    assert (topic, event.feeds) == ("tweets", ["gone"])


@pytest.mark.parametrize("tags", [("mine",), ("citypulse/other/all/1",), ("citypulse/main",), ("", "mine")])
def test_what_matched_none_of_our_rules_is_not_sent(tags: tuple[str, ...]) -> None:
    assert parser()(stream_message(tags=tags), RECEIVED).deliveries == ()


@pytest.mark.parametrize("tags", [(), ("",), ("", "")])
def test_what_has_no_tag_at_all_is_nobodys_and_unusable(tags: tuple[str, ...]) -> None:
    with pytest.raises(UnusableError, match="has a tag") as caught:
        parser()(stream_message(MONTREAL, tags=tags), RECEIVED)
    assert caught.value.kind == "without_tag"


def test_a_rule_without_a_tag_does_no_harm() -> None:
    payload = (
        b'{"data":{"id":"1"},'
        b'"matching_rules":[{"id":"1"},{"id":"2","tag":null},{"id":"3","tag":"citypulse/main/all/1"}]}'
    )
    assert the_event(parser()(payload, RECEIVED)).feeds == ["all"]


@pytest.mark.parametrize(
    "payload",
    [
        b"",
        b"{",
        b"[]",
        b"\xff\xfe",
        b'{"errors":[]}',
        b'{"data":{"id":"abc"}}',
        b'{"data":{"id":"1","created_at":"yesterday"}}',
        b'{"data":{"text":"no id"}}',
    ],
)
def test_what_is_no_post_is_unusable_and_says_why_without_quoting_it(payload: bytes) -> None:
    with pytest.raises(UnusableError) as caught:
        parser()(payload, RECEIVED)
    assert "abc" not in str(caught.value)
    assert "yesterday" not in str(caught.value)


@given(
    st.binary(max_size=100)
    | st.recursive(
        st.none() | st.integers() | st.text(max_size=5),
        lambda inner: (
            st.lists(inner)
            | st.dictionaries(
                st.sampled_from(
                    ["data", "id", "geo", "includes", "places", "place_id", "matching_rules", "tag"]
                ),
                inner,
            )
        ),
    ).map(lambda tree: json.dumps(tree).encode())
)
def test_no_message_does_more_than_be_unusable(payload: bytes) -> None:
    try:
        parsed = parser()(payload, RECEIVED)
    except UnusableError:
        return
    assert parsed.deliveries == ()


def captured(name: str) -> list[Path]:
    found = sorted(outside(name).glob("*.json*"))
    assert found
    return found


def test_every_captured_page_of_x_becomes_events() -> None:
    parse = parser(Feed("all", ("CA",)))
    seen = 0
    for path in captured("x-v2-pages"):
        for stored in read(path, Report()):
            payload = json.dumps(
                {
                    "data": stored.data,
                    "includes": stored.includes,
                    "matching_rules": [{"id": "1", "tag": "citypulse/main/all/1"}],
                }
            ).encode()
            event = the_event(parse(payload, RECEIVED))
            assert event.id == int(stored.data["id"])
            assert event.at > 0
            seen += 1
    assert seen > 100


def test_every_captured_message_of_the_stream_becomes_an_event() -> None:
    parse = parser(Feed("all", ("CA",)))
    cities = set()
    events = []
    for path in captured("seed-capture"):
        for stored in read(path, Report()):
            tagged = {
                "data": stored.data,
                "includes": stored.includes,
                "matching_rules": [{"id": "1", "tag": "citypulse/main/all/1"}],
            }
            parsed = parse(json.dumps(tagged).encode(), RECEIVED)
            events.append(the_event(parsed))
            if parsed.city:
                cities.add(parsed.city.city)
    assert len(events) == 74
    assert all(event.country == "CA" and event.author for event in events)
    assert "CA:36775d842cbec509" in cities


def test_a_recount_of_a_file_finds_the_cities_that_the_producer_found() -> None:
    gazetteer = places.geonames()
    feeds = (Feed("all", ("all",)),)
    config = Config(feeds=feeds, journal=Journal("j"))
    parse = message.parser(config, rules.configured(config), resolver=places.Resolver(gazetteer))
    recounting = places.Resolver(gazetteer)
    pace = Pace(speed=0.0)
    found = generate(build_world(40, ["CA", "GB"]), Generator(seed=3, count=3000), pace, RECEIVED - 10**8)
    resolved: set[str] = set()
    for number, (_, stored) in enumerate(found):
        rule = [{"id": "1", "tag": "citypulse/main/all/1"}]
        payload = {"data": stored.data, "includes": stored.includes, "matching_rules": rule}
        parsed = parse(json.dumps(payload).encode(), RECEIVED + number // 100, number)
        where = recounting.locate(
            msgspec.convert(stored.data.get("geo"), places.Geo | None),
            msgspec.convert(stored.includes.get("places") or [], list[places.XPlace]),
            places.UNKNOWN_COUNTRY,
            the_event(parsed).at,
            (0, number),
        )
        shown = [(city.city, city.full_name) if city else None for city in (parsed.city, where.city)]
        assert shown[0] == shown[1]
        assert where.country == the_event(parsed).country
        if parsed.city is not None:
            resolved.add(where.type)
    assert resolved >= {"city", "admin", "poi", "neighborhood"}


def test_x_is_asked_for_every_part_of_a_place_that_is_read() -> None:
    assert set(places.XPlace.__struct_fields__) <= set(FIELDS["place_fields"])


TAG = {"id": "1", "tag": "citypulse/main/all/1"}


def test_a_time_without_zone_is_utc() -> None:
    made = json.dumps({"data": {"id": "1", "created_at": "2026-11-24T05:14:04"}, "matching_rules": [TAG]})
    event = the_event(parser()(made.encode(), RECEIVED))
    assert event.at == 1_795_497_244_000


@pytest.mark.parametrize(
    "payload",
    [
        b'{"data":' + b"[" * 100_000 + b"]" * 100_000 + b"}",
        json.dumps({"data": {"id": str(2**70)}, "matching_rules": [TAG]}).encode(),
    ],
    ids=["nested deeper than anybody reads", "an id beyond 64 bits"],
)
def test_whatever_is_wrong_with_one_message_it_is_unusable_and_no_more(payload: bytes) -> None:
    with pytest.raises(UnusableError):
        parser()(payload, RECEIVED)


def test_a_post_of_the_future_is_not_let_near_the_watermark() -> None:
    made = json.dumps({"data": {"id": str(5 << 60)}, "matching_rules": [TAG]}).encode()
    with pytest.raises(UnusableError, match="clock") as caught:
        parser()(made, RECEIVED)
    assert caught.value.kind == "from_the_future"


@pytest.mark.parametrize(
    "data",
    [
        '{"id":"9223372036854775808","created_at":"2026-01-01T00:00:00Z"}',
        '{"id":"-1"}',
        '{"id":"0"}',
        '{"id":"1850000000000000000","author_id":"9223372036854775808"}',
        '{"id":"1850000000000000000","edit_history_tweet_ids":["-5","1850000000000000000"]}',
        '{"id":"1850000000000000000","referenced_tweets":[{"type":"quoted","id":"9223372036854775808"}]}',
    ],
)
def test_a_number_that_no_id_can_be_is_set_aside(data: str) -> None:
    parse = parser()
    payload = f'{{"data":{data},"matching_rules":[{{"tag":"citypulse/main/all/1"}}]}}'.encode()
    with pytest.raises(UnusableError):
        parse(payload, 1_800_000_000_000)
