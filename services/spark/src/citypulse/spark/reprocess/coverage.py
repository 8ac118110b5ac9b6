"""Which windows of a request can be recounted, and which must be left alone."""

from collections.abc import Sequence

from citypulse.spark.kept import AHEAD_MS
from citypulse.spark.reprocess.source import Journal
from citypulse.spark.spans import Span

WINDOW_MS = 5 * 60 * 1000

LIVE = "the job still counts them"
CUT = "retention has deleted events of them"


def covered(
    span: Span, whole_after: int | None, closed_until: int | None, journals: Sequence[Journal] = ()
) -> tuple[Span | None, dict[str, Span]]:
    """The part of a span that can be recounted, and what is left of it by reason.

    Args:
        span: of the windows' starts, in ms.
        whole_after: windows that start later are whole in the topics; None: all are.
        closed_until: windows that end by then are closed for the job; None: there is no job.
        journals: of each producer, what it received in a stretch of time. Each must reach from there to
            where the topics are whole.
    """
    first, end = span
    left: dict[str, Span] = {}
    whole_from = _whole_from(whole_after, journals)
    if whole_from is not None and whole_from > first:
        left[CUT] = first, min(whole_from, end)
        first = min(whole_from, end)
    if closed_until is not None:
        closed = max(closed_until // WINDOW_MS * WINDOW_MS, first)
        if closed < end:
            left[LIVE] = closed, end
            end = closed
    return ((first, end) if first < end else None), left


def _whole_from(whole_after: int | None, journals: Sequence[Journal]) -> int | None:
    """Start of the first window of which nothing is missing; None where nothing was ever deleted."""
    if whole_after is None:
        return None
    after = whole_after
    if journals and all(journal.until + AHEAD_MS >= whole_after for journal in journals):
        after = min(after, max(journal.since for journal in journals) + AHEAD_MS)
    return (after // WINDOW_MS + 1) * WINDOW_MS
