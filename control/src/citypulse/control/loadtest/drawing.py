"""Draws curves as SVG that stands in a page."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from markupsafe import Markup, escape

from citypulse.control.loadtest.result import Curve

_POINTS = 600
"""More than a picture has pixels is not drawn."""


class Line(NamedTuple):
    """A curve, with its name and the class of its style."""

    name: str
    curve: Curve
    style: str


def picture(
    lines: Sequence[Line],
    *,
    seconds: float,
    top: float,
    limit: float | None,
    width: int,
    height: int,
    says: str,
) -> Markup:
    """Curves from 0 to `seconds` and from 0 to `top`, and a line across at `limit`.

    `says` is for those who cannot see it.
    """
    top = max(top, limit or 0.0) or 1.0

    def place(at: float, value: float) -> str:
        x = width * min(max(at / seconds, 0.0), 1.0)
        return f"{x:.1f},{height * (1 - min(value / top, 1.0)):.1f}"

    drawn = [
        Markup('<polyline class="{}" points="{}"><title>{}</title></polyline>').format(
            line.style,
            " ".join(place(at, value) for at, value in _thinned(line.curve)),
            line.name,
        )
        for line in lines
        if line.curve.at
    ]
    if limit is not None:
        y = height * (1 - limit / top)
        drawn.append(
            Markup('<line class="limit" x1="0" x2="{}" y1="{:.1f}" y2="{:.1f}"/>').format(width, y, y)
        )
    return Markup(
        '<svg viewBox="0 -2 {} {}" width="{}" height="{}" role="img" aria-label="{}"'
        ' preserveAspectRatio="none">{}</svg>'
    ).format(width, height + 4, width, height + 4, escape(says), Markup("").join(drawn))


def _thinned(curve: Curve) -> list[tuple[float, float]]:
    """At most so many points; of each stretch the highest, so that no peak is lost."""
    points = list(zip(curve.at, curve.values, strict=True))
    stretch = -(-len(points) // _POINTS)
    if stretch <= 1:
        return points
    return [
        max(points[first : first + stretch], key=lambda point: point[1])
        for first in range(0, len(points), stretch)
    ]
