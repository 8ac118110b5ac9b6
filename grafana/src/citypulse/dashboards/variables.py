"""What the dashboards of tweets can be asked for: run, feed, country, cities."""

from grafana_foundation_sdk.builders import dashboard as builders
from grafana_foundation_sdk.models import dashboard as models

from citypulse.dashboards.cassandra import everything, variable


def keyspace() -> builders.QueryVariable:
    """Live, or another run's tables."""
    names = variable("keyspace", "Run", "SELECT keyspace_name FROM system_schema.keyspaces")
    return names.regex("/^(?!system)/").current(models.VariableOption(text="citypulse", value="citypulse"))


def feed() -> builders.QueryVariable:
    """One feed."""
    # DISTINCT takes only all columns of a partition's key; the second is the label.
    query = "SELECT DISTINCT feed, feed AS label, country FROM ${keyspace}.country_windows"
    return variable("feed", "Feed", query).current(models.VariableOption(text="all", value="all"))


def country() -> builders.QueryVariable:
    """One country, or `*`, under which stand the sums over all of them."""
    query = "SELECT DISTINCT country FROM ${keyspace}.cities"
    return variable("country", "Country", query).include_all(True).all_value("*").current(everything())


def countries() -> builders.QueryVariable:
    """For the keys of cities' rows, which have their own country: that one, or each."""
    hidden = variable("countries", "", "SELECT DISTINCT country FROM ${keyspace}.cities")
    # `*` repeats the letters before it; a code stands behind none.
    hidden = hidden.regex("/^(?:[A-Z]|)${country:raw}$/").multi(True).include_all(True)
    return hidden.current(everything()).hide(models.VariableHide.HIDE_VARIABLE)


def top() -> builders.QueryVariable:
    """The ten largest cities of the last hour."""
    query = """SELECT city_id, name FROM ${keyspace}.city_ranks WHERE feed = ${feed:sqlstring}
      AND country = '${country:raw}' AND metric = 'tweets' AND span = 'hour' LIMIT 10"""
    hidden = variable("top", "", query).multi(True).include_all(True)
    return hidden.current(everything()).hide(models.VariableHide.HIDE_VARIABLE)


def cities() -> builders.QueryVariable:
    """Any cities; all stands for the ten largest."""
    found = variable("city", "Cities", "SELECT city_id, name FROM ${keyspace}.cities")
    found = found.regex("/^(?:[A-Z]|)${country:raw}:/").multi(True).include_all(True)
    return found.all_value("${top:sqlstring}").current(everything())


def grain() -> builders.QueryVariable:
    """Windows or hours, as the time range is short or long."""
    query = (
        "SELECT grain FROM ${keyspace}.grains WHERE id = 'range' AND from_ms <= ${__to} - ${__from} LIMIT 1"
    )
    hidden = variable("grain", "", query).refresh(models.VariableRefresh.ON_TIME_RANGE_CHANGED)
    hidden = hidden.current(models.VariableOption(text="window", value="window"))
    return hidden.hide(models.VariableHide.HIDE_VARIABLE)


def metric() -> builders.CustomVariable:
    """What cities are ordered by."""
    choice = builders.CustomVariable("metric").label("Order by")
    choice = choice.values("Tweets : tweets,Retweets : retweets,Active users : active_users")
    return choice.current(models.VariableOption(text="Tweets", value="tweets"))


def span() -> builders.CustomVariable:
    """Of which time."""
    choice = builders.CustomVariable("span").label("In the last")
    choice = choice.values("5 minutes : window,Hour : hour,Day : day")
    return choice.current(models.VariableOption(text="Hour", value="hour"))


def length() -> builders.CustomVariable:
    """How many rows lists have."""
    choice = builders.CustomVariable("n").label("Rows").values("10,20,50,100")
    return choice.current(models.VariableOption(text="20", value="20"))
