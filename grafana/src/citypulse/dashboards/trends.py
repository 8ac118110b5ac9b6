"""City trends: tweets, retweets and active users of cities over time, and of their country."""

from grafana_foundation_sdk.builders import dashboard as builders
from grafana_foundation_sdk.builders import timeseries

from citypulse.dashboards import panels, variables
from citypulse.dashboards.cassandra import DATASOURCE, ROWS, Query

_POINTS = 1500
"""Of one line: five days of windows, two months of hours."""

_WINDOW_SECONDS = 300
_GAP = "not received"
_TWEETS = "Originals, replies and quotes of the city, never retweets."
_RETWEETS = "Retweets of what was tweeted from the city."
_USERS = "Who tweeted from the city, each once in a point: points do not add up."

_CITY = """SELECT name, ${grain}_start, %s FROM ${keyspace}.city_${grain}s
  WHERE feed = ${feed:sqlstring} AND country IN (${countries:sqlstring}) AND city_id IN (${city:sqlstring})
  AND ${grain}_start >= $__timeFrom AND ${grain}_start <= $__timeTo PER PARTITION LIMIT %d LIMIT %d"""
_COUNTRY = """SELECT (text)'%s' AS line, ${grain}_start, %s FROM ${keyspace}.country_${grain}s
  WHERE feed = ${feed:sqlstring} AND country = '${country:raw}'
  AND ${grain}_start >= $__timeFrom AND ${grain}_start <= $__timeTo LIMIT %d"""


def dashboard() -> builders.Dashboard:
    """The dashboard."""
    made = (
        builders.Dashboard("City trends")
        .uid("citypulse-trends")
        .description(
            "What cities say on X, over time: windows of 5 minutes, or hours where the time is long."
        )
        .variables(
            [
                variables.keyspace(),
                variables.feed(),
                variables.country(),
                variables.countries(),
                variables.top(),
                variables.cities(),
                variables.grain(),
            ]
        )
    )
    return (
        made.annotation(_recounts())
        .with_panel(_cities("tweets", "Tweets", _TWEETS).span(24).height(11))
        .with_panel(_cities("retweets", "Retweets", _RETWEETS).span(12).height(10))
        .with_panel(
            _cities("active_users", "Active users", _USERS, ("lastNotNull", "max")).span(12).height(10)
        )
        .with_panel(_country().span(24).height(9))
    )


def _cities(
    column: str, title: str, counted: str, calculations: tuple[str, ...] = ("lastNotNull", "max", "sum")
) -> timeseries.Panel:
    query = Query(_CITY % (column, _POINTS, ROWS))
    text = f"{counted} A line for each city; a point for each window of 5 minutes, or hour."
    return panels.lines(f"{title} per city", text, [query], ROWS, calculations)


def _country() -> timeseries.Panel:
    columns = {"tweets": "tweets", "retweets": "retweets", "active_users": "active users"}
    queries = [
        Query(_COUNTRY % (shown, column, _POINTS), chr(ord("A") + number))
        for number, (column, shown) in enumerate(columns.items())
    ]
    queries.append(Query(_COUNTRY % (_GAP, "gap_seconds", _POINTS), "G"))
    drawn = panels.lines(
        "The whole country",
        "Its tweets, retweets and active users, each user once. Shaded is what was neither received nor got"
        " later: the higher, the more of the window.",
        queries,
        _POINTS * len(queries),
        ("lastNotNull", "max"),
    )
    return drawn.override_by_name(
        _GAP,
        panels.override(
            unit="s",
            min=0,
            max=_WINDOW_SECONDS,
            color={"mode": "fixed", "fixedColor": "red"},
            custom__drawStyle="bars",
            custom__fillOpacity=30,
            custom__lineWidth=0,
            custom__axisPlacement="hidden",
        ),
    )


def _recounts() -> builders.AnnotationQuery:
    """A mark where numbers were changed afterwards."""
    query = """SELECT reason, at, changed, added, removed FROM ${keyspace}.recounts
      WHERE country = '${country:raw}' AND at >= $__timeFrom AND at <= $__timeTo LIMIT 200"""
    return (
        builders.AnnotationQuery()
        .name("Recounts")
        .datasource(DATASOURCE)
        .enable(True)
        .icon_color("purple")
        .target(Query(query, "Recounts"))
    )
