"""What every panel has: where its data are, a unit, what it counts and how many rows at most, and a word
where there is nothing.

The SDK leaves out what Grafana's own editor always writes (ids, whether a legend shows, what a stat reduces
to); it is set here and in `build`.
"""

from collections.abc import Sequence
from typing import Any, TypeVar

from grafana_foundation_sdk.builders import common as common_builders
from grafana_foundation_sdk.builders import dashboard as builders
from grafana_foundation_sdk.builders import geomap, stat, table, timeseries
from grafana_foundation_sdk.cog import builder
from grafana_foundation_sdk.models import common
from grafana_foundation_sdk.models import dashboard as models
from grafana_foundation_sdk.models import geomap as map_models

from citypulse.dashboards import metrics
from citypulse.dashboards.cassandra import DATASOURCE, ROWS, Query
from citypulse.dashboards.metrics import Metric

NOTHING = "nothing was counted in this time"

Panel = TypeVar("Panel", timeseries.Panel, stat.Panel, table.Panel, geomap.Panel)


def lines(
    title: str, description: str, queries: Sequence[Query], rows: int, calculations: Sequence[str]
) -> timeseries.Panel:
    """Lines over time, with a table of them below.

    Args:
        title: what stands above it.
        description: what is counted.
        queries: a line for each value of their first column.
        rows: how many they give at most.
        calculations: what the table says of each line, as Grafana names it: lastNotNull, max, sum.
    """
    return _panel(_lines(calculations), title, description, queries, rows)


def _lines(calculations: Sequence[str]) -> timeseries.Panel:
    legend = (
        common_builders.VizLegendOptions()
        .display_mode(common.LegendDisplayMode.TABLE)
        .placement(common.LegendPlacement.BOTTOM)
        .show_legend(True)
        .calcs(list(calculations))
    )
    tooltip = common_builders.VizTooltipOptions().mode(common.TooltipDisplayMode.MULTI)
    drawn = timeseries.Panel().legend(legend).tooltip(tooltip.sort(common.SortOrder.DESCENDING))
    return drawn.line_width(2).show_points(common.VisibilityMode.AUTO).min(0)


def number(title: str, description: str, query: Query, rows: int, calculation: str) -> stat.Panel:
    """One number, large."""
    reduced = common_builders.ReduceDataOptions().calcs([calculation]).values(False)
    drawn = stat.Panel().reduce_options(reduced).graph_mode(common.BigValueGraphMode.AREA)
    return _panel(drawn.color_mode(common.BigValueColorMode.NONE), title, description, [query], rows)


def rows_of(title: str, description: str, query: Query, rows: int, names: dict[str, str]) -> table.Panel:
    """A table in the order of the query's rows.

    Args:
        title: what stands above it.
        description: what it lists.
        query: its first column, which is the same in all rows, is not shown; rank and value are where named.
        rows: how many it gives at most.
        names: heads of the columns that are shown, by the query's, in their order.
    """
    hidden = models.DataTransformerConfig(
        id_val="organize",
        options={
            "excludeByName": {column: True for column in ("g", "rank", "value") if column not in names},
            "indexByName": {column: place for place, column in enumerate(names)},
            "renameByName": names,
        },
    )
    return _panel(table.Panel().with_transformation(hidden), title, description, [query], rows)


def map_of(title: str, description: str, query: Query, rows: int) -> geomap.Panel:
    """A map with a circle for each row, as large as its `tweets`."""
    markers = common.MapLayerOptions(
        type_val="markers",
        name="cities",
        location=common.FrameGeometrySource(
            mode=common.FrameGeometrySourceMode.COORDS, latitude="lat", longitude="lon"
        ),
        tooltip=True,
        config={
            "showLegend": False,
            "style": {
                "size": {"field": "tweets", "min": 3, "max": 25},
                "color": {"field": "tweets", "fixed": "blue"},
                "opacity": 0.5,
                "symbol": {"mode": "fixed", "fixed": "img/icons/marker/circle.svg"},
            },
        },
    )
    view = geomap.MapViewConfig().id("zero").lat(20).lon(0).zoom(2)
    drawn = geomap.Panel().layers([_Layer(markers)]).basemap(_Layer(common.MapLayerOptions("default", "map")))
    drawn = drawn.view(view).tooltip(geomap.TooltipOptions().mode(map_models.TooltipMode.DETAILS))
    return _panel(drawn, title, description, [query], rows)


def measured(
    title: str, description: str, series: int, unit: str, *queries: Metric, limit: float | None = None
) -> timeseries.Panel:
    """Lines of what Prometheus has measured.

    Args:
        title: what stands above it.
        description: what is measured.
        series: how many lines there are at most.
        unit: as Grafana names it.
        queries: of the lines.
        limit: where a line is drawn that should not be crossed.
    """
    drawn = _lines(("lastNotNull", "max")).max_data_points(metrics.POINTS)
    if limit is not None:
        steps = [models.Threshold(None, "green"), models.Threshold(limit, "red")]
        drawn = drawn.thresholds(
            builders.ThresholdsConfig().mode(models.ThresholdsMode.ABSOLUTE).steps(steps)
        )
        line = common_builders.GraphThresholdsStyleConfig().mode(common.GraphThresholdsStyleMode.LINE)
        drawn = drawn.thresholds_style(line)
    drawn = _panel(drawn, title, description, queries, series * metrics.POINTS, metrics.DATASOURCE)
    return drawn.unit(unit).decimals(2).no_value("nothing was measured in this time")


class _Layer(builder.Builder[common.MapLayerOptions]):
    def __init__(self, built: common.MapLayerOptions) -> None:
        self._built = built

    def build(self) -> common.MapLayerOptions:
        return self._built


def _panel(
    drawn: Panel,
    title: str,
    description: str,
    queries: Sequence[Query | Metric],
    rows: int,
    source: common.DataSourceRef = DATASOURCE,
) -> Panel:
    assert rows <= ROWS, f"{title}: {rows} rows are more than {ROWS}"  # noqa: S101 - what is built is checked
    drawn = drawn.title(title).description(f"{description} At most {rows:,} rows.").datasource(source)
    for query in queries:
        drawn = drawn.with_target(query)
    return drawn.unit("locale").decimals(0).no_value(NOTHING)


def override(**properties: Any) -> list[models.DynamicConfigValue]:
    """Properties of some fields; `__` in a name stands for a dot."""
    return [models.DynamicConfigValue(name.replace("__", "."), value) for name, value in properties.items()]
