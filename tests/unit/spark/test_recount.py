"""The recount: what counts where, as a person would count."""

import random

from hypothesis import given, settings
from hypothesis import strategies as st

from citypulse.spark.verify.recount import recount
from citypulse.spark.verify.tally import Cell, Recount

from .tweets import CITIES, START, Tweet, many, snowflake, tweet

WINDOW = START - 299_000
MONTREAL = "CA:36775d842cbec509"


def counts(made: list[Tweet], **options: object) -> Recount:
    return recount((one.message for one in made), **{"retweets": True, **options})  # type: ignore[arg-type]


def test_a_tweet_counts_in_its_city_its_country_and_everywhere() -> None:
    result = counts([tweet(author=7)])
    assert result.cells.keys() == {
        ("all", "CA", MONTREAL, WINDOW),
        ("all", "CA", "", WINDOW),
        ("all", "*", "", WINDOW),
    }
    assert all(cell == Cell(1, 1, 0, 0, 0, {7}) for cell in result.cells.values())


def test_an_original_a_reply_a_quote_and_both_are_told_apart() -> None:
    kinds = [[], ["replied_to"], ["quoted"], ["replied_to", "quoted"]]
    result = counts([tweet(number, kinds=kind) for number, kind in enumerate(kinds)])
    cell = result.cells["all", "CA", MONTREAL, WINDOW]
    assert (cell.tweets, cell.originals, cell.replies, cell.quotes) == (4, 1, 2, 2)


def test_a_retweet_is_no_tweet() -> None:
    assert counts([tweet(kinds=["retweeted"])]).cells == {}
    assert counts([tweet(kinds=["retweeted"])]).cities == {}


def test_a_retweet_counts_at_its_originals_place_and_at_its_own_time_as_nothing_else() -> None:
    original = tweet(1, feeds=("vote",))
    later = tweet(2, at=START + 1_000, author=8, retweet_of=original.event)
    result = counts([original, later])
    assert result.cells["vote", "CA", MONTREAL, WINDOW].retweets == 0
    for place in (("CA", MONTREAL), ("CA", ""), ("*", "")):
        assert result.cells[("vote", *place, WINDOW + 300_000)] == Cell(retweets=1)
    assert result.cities["CA", MONTREAL].last_seen == START


def test_a_retweet_that_came_twice_counts_once_and_one_of_an_unknown_original_nowhere() -> None:
    original = tweet(1)
    made = [original, *[tweet(2, retweet_of=original.event)] * 2, tweet(3, kinds=["retweeted"])]
    assert counts(made).cells["all", "*", "", WINDOW] == Cell(1, 1, 0, 0, 0, {7}, retweets=1)


def test_a_rule_that_watches_originals_is_no_feed() -> None:
    original = tweet(1)
    result = counts([original, tweet(2, retweet_of=original.event)])
    assert {key[0] for key in result.cells} == {"all"}


def test_a_tweet_without_a_place_counts_nowhere() -> None:
    assert counts([tweet(place=None)]).cells == {}


def test_a_place_that_is_no_city_counts_for_its_country_as_unresolved() -> None:
    result = counts([tweet(place_type="poi"), tweet(2)])
    cell = result.cells["all", "CA", "", WINDOW]
    assert (cell.tweets, cell.unresolved) == (2, 1)
    assert result.cells["all", "CA", MONTREAL, WINDOW].unresolved == 0


def test_the_start_of_a_window_belongs_to_it_and_its_end_to_the_next() -> None:
    at = [START + 999, START + 1000]
    result = counts([tweet(number, at=moment) for number, moment in enumerate(at)])
    starts = sorted(key[3] for key in result.cells if key[2])
    assert starts == [WINDOW, WINDOW + 300_000]


def test_what_comes_later_than_the_watermark_counts_and_is_said_to_be_late() -> None:
    at = [START, START + 601_000, START + 1_000, START + 999]
    result = counts([tweet(number, at=moment) for number, moment in enumerate(at)])
    assert (len(result.posts()), result.late) == (4, 1)


def test_an_edit_counts_once_in_the_window_of_its_first_version() -> None:
    first = snowflake(START, 1)
    result = counts([tweet(1), tweet(2, at=START + 400_000, edit_of=first)])
    assert result.cells["all", "CA", MONTREAL, WINDOW].tweets == 1
    assert {key[3] for key in result.cells} == {WINDOW}


def test_an_edit_whose_first_version_was_not_seen_counts_in_that_ones_window() -> None:
    result = counts([tweet(2, at=START + 400_000, edit_of=snowflake(START, 1))])
    assert {key[3] for key in result.cells} == {WINDOW}


def test_of_copies_that_differ_the_first_counts() -> None:
    result = counts([tweet(1, author=7), tweet(1, author=8, place=CITIES[3])])
    assert result.cells["all", "*", "", WINDOW] == Cell(1, 1, 0, 0, 0, {7})
    assert ("all", "GB", "", WINDOW) not in result.cells


def test_feeds_are_counted_apart_and_come_from_citypulses_tags_alone() -> None:
    message = tweet(feeds=("vote", "all")).message
    message.matching_rules = [*(message.matching_rules or []), {"id": "9", "tag": "somebody's"}]
    assert {key[0] for key in recount([message]).cells} == {"all", "vote"}


def test_without_a_tag_of_citypulse_the_feed_is_all() -> None:
    message = tweet().message
    for rules in (None, [], [{"id": "1", "tag": ""}], [{"id": "1"}]):
        message.matching_rules = rules
        assert {key[0] for key in recount([message]).cells} == {"all"}


def test_a_place_without_a_country_takes_the_one_that_is_given() -> None:
    message = tweet().message
    del message.includes["places"][0]["country_code"]
    assert ("all", "ZZ", "ZZ:36775d842cbec509", WINDOW) in recount([message]).cells
    assert ("all", "CA", MONTREAL, WINDOW) in recount([message], place_country="CA").cells


def test_only_the_wanted_countries_are_counted() -> None:
    made = [tweet(number, place=place) for number, place in enumerate(CITIES)]
    result = counts(made, countries=frozenset({"GB"}))
    assert {key[1] for key in result.cells} == {"GB", "*"}


def test_a_city_has_the_name_first_seen_and_its_first_and_last_tweet() -> None:
    renamed = (CITIES[0][0], CITIES[0][1], "Montreal, Quebec")
    result = counts([tweet(1, at=START + 5000), tweet(2, at=START, place=renamed)])
    city = result.cities["CA", MONTREAL]
    assert (city.name, city.first_seen, city.last_seen) == ("Montréal, Québec", START, START + 5000)


def test_namesakes_stay_apart() -> None:
    same = ("GB", "ffffffffffffffff", "London, Ontario")
    result = counts([tweet(1, place=CITIES[2]), tweet(2, place=same)])
    assert len(result.cities) == 2


def tells_its_city(one: Tweet) -> bool:
    event = one.event
    return (event.city or not event.country) and all(ref.type != "retweeted" for ref in event.refs)


@settings(max_examples=40, deadline=None)
@given(seed=st.integers(0, 2**32), count=st.integers(1, 120))
def test_copies_and_order_change_nothing(seed: int, count: int) -> None:
    """But of retweets and of places that are no city: what came before says where they count."""
    made = [one for one in many(count, seed) if one.event.id == one.event.post and tells_its_city(one)]
    shuffled = made + random.Random(seed).choices(made or [tweet()], k=len(made) and 20)
    random.Random(seed + 1).shuffle(shuffled)
    assert counts(shuffled).cells == counts(made).cells


@settings(max_examples=40, deadline=None)
@given(seed=st.integers(0, 2**32))
def test_a_country_is_the_sum_of_its_cities_and_the_unresolved_but_for_users(seed: int) -> None:
    result = counts(many(150, seed))
    for (feed, country, city, start), cell in result.cells.items():
        if city or country == "*":
            continue
        inside = [
            one
            for key, one in result.cells.items()
            if key[2] and (key[0], key[1], key[3]) == (feed, country, start)
        ]
        assert cell.tweets == sum(one.tweets for one in inside) + cell.unresolved
        assert all(one.users <= cell.users for one in inside)
