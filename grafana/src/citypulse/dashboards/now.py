"""Now: where the last hour's tweets are, which cities lead, and what has changed since yesterday."""

from grafana_foundation_sdk.builders import common as common_builders
from grafana_foundation_sdk.builders import dashboard as builders
from grafana_foundation_sdk.builders import geomap, stat, table, timeseries
from grafana_foundation_sdk.models import common

from citypulse.dashboards import panels, variables
from citypulse.dashboards.cassandra import Query

_LONGEST_LIST = 100
_MAP = 1000
_WINDOWS_OF_AN_HOUR = 13

_RANKS = """SELECT (text)'list' AS g, rank, name, value, tweets, retweets, active_users
  FROM ${keyspace}.city_ranks WHERE feed = ${feed:sqlstring} AND country = '${country:raw}'
  AND metric = '%s' AND span = '%s'%s LIMIT %s"""
_MARKERS = """SELECT (text)'map' AS g, name, lat, lon, tweets, retweets, active_users
  FROM ${keyspace}.city_ranks WHERE feed = ${feed:sqlstring} AND country = '${country:raw}'
  AND metric = 'tweets' AND span = 'hour' LIMIT %d"""
_WINDOWS = """SELECT (text)'%s' AS line, window_start, %s FROM ${keyspace}.country_windows
  WHERE feed = ${feed:sqlstring} AND country = '${country:raw}'
  AND window_start >= $__timeFrom AND window_start <= $__timeTo LIMIT %d"""
_THIS_HOUR = """SELECT (text)'active users' AS line, hour_start, active_users FROM ${keyspace}.country_hours
  WHERE feed = ${feed:sqlstring} AND country = '${country:raw}' LIMIT 1"""


def dashboard() -> builders.Dashboard:
    """The dashboard."""
    made = (
        builders.Dashboard("Now")
        .uid("citypulse-now")
        .description("The last hour: a map, the most and the least active cities, and what moved.")
        .variables(
            [
                variables.keyspace(),
                variables.feed(),
                variables.country(),
                variables.metric(),
                variables.span(),
                variables.length(),
            ]
        )
    )
    return (
        made.with_panel(_total("tweets", "Tweets, last hour").span(6).height(5))
        .with_panel(_total("retweets", "Retweets, last hour").span(6).height(5))
        .with_panel(_users().span(6).height(5))
        .with_panel(_shares().span(6).height(5))
        .with_panel(_map().span(24).height(14))
        .with_panel(_list("Most", "").span(12).height(12))
        .with_panel(_list("Least", " ORDER BY rank DESC").span(12).height(12))
        .with_panel(_movers("Up since yesterday", "").span(12).height(12))
        .with_panel(_movers("Down since yesterday", " ORDER BY rank DESC").span(12).height(12))
    )


def _total(column: str, title: str) -> stat.Panel:
    query = Query(_WINDOWS % (column, column, _WINDOWS_OF_AN_HOUR))
    counted = f"All {column} of the country in the windows that began in the last hour."
    return panels.number(title, counted, query, _WINDOWS_OF_AN_HOUR, "sum").time_from("1h")


def _users() -> stat.Panel:
    text = "Who tweeted from the country since the hour began, each once."
    return panels.number("Active users, this hour", text, Query(_THIS_HOUR), 1, "lastNotNull")


def _shares() -> timeseries.Panel:
    kinds = ("originals", "replies", "quotes")
    queries = [
        Query(_WINDOWS % (kind, kind, _WINDOWS_OF_AN_HOUR), chr(ord("A") + number))
        for number, kind in enumerate(kinds)
    ]
    text = "Of the country's tweets in the last hour; a reply that quotes is in both."
    rows = _WINDOWS_OF_AN_HOUR * len(kinds)
    drawn = panels.lines("Originals, replies, quotes", text, queries, rows, ()).time_from("1h")
    stacking = common_builders.StackingConfig().mode(common.StackingMode.PERCENT).group("A")
    legend = common_builders.VizLegendOptions().display_mode(common.LegendDisplayMode.LIST).show_legend(True)
    legend = legend.placement(common.LegendPlacement.BOTTOM).calcs([])
    return drawn.stacking(stacking).fill_opacity(40).legend(legend).unit("percentunit").max(1)


def _map() -> geomap.Panel:
    query = Query(_MARKERS % _MAP)
    return panels.map_of(
        "Tweets of the last hour", "The cities that tweeted most in the last hour.", query, _MAP
    )


def _list(title: str, order: str) -> table.Panel:
    names = {
        "rank": "#",
        "name": "city",
        "tweets": "tweets",
        "retweets": "retweets",
        "active_users": "active users",
    }
    text = (
        "Cities seen in the span, by what is chosen above; ties by name."
        if not order
        else "The other end of the same list: least active among the cities that were seen."
    )
    query = Query(_RANKS % ("${metric}", "${span}", order, "${n}"))
    return panels.rows_of(f"{title} active", text, query, _LONGEST_LIST, names)


def _movers(title: str, order: str) -> table.Panel:
    names = {"name": "city", "value": "change", "tweets": "tweets", "active_users": "active users"}
    text = "Tweets of the last hour less those of the same hour yesterday."
    query = Query(_RANKS % ("change", "hour", order, "${n}"))
    return panels.rows_of(title, text, query, _LONGEST_LIST, names)
