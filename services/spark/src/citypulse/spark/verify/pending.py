"""The recount list: windows of which the job has left something out, until reprocess has put them right."""

import msgspec
from cassandra import InvalidRequest
from cassandra.cluster import Session

from citypulse.spark.config import Config
from citypulse.spark.spans import Span, plain
from citypulse.spark.verify import report
from citypulse.spark.verify.tally import Post


class Due(msgspec.Struct):
    """Windows by feed, country and start (ms), with the reason of each; `*` stands for every feed or
    country."""

    windows: dict[tuple[str, str, int], str] = msgspec.field(default_factory=dict)

    def holds(self, post: Post, feed: str) -> bool:
        """Whether a post of a feed is in one of them."""
        return bool(self.windows) and any(
            (some_feed, country, post.window) in self.windows
            for some_feed in (feed, "*")
            for country in (post.country, "*")
        )

    def lines(self) -> list[str]:
        """A line for each, sorted by time."""
        return sorted(
            f"{report.time(start)}  feed {feed}  country {country}  ({reason})"
            for (feed, country, start), reason in self.windows.items()
        )


def read(session: Session, config: Config, span: Span | None) -> Due:
    """What is on the list now, of windows that start in a span; None for all."""
    try:
        rows = session.execute(
            f"SELECT feed, country, window_start, reason FROM {config.keyspace}.recounts_due"  # noqa: S608
        )
    except InvalidRequest:
        return Due()
    found = [plain(row._asdict()) for row in rows]
    return Due(
        {
            (row["feed"], row["country"], row["window_start"]): row["reason"]
            for row in found
            if span is None or span[0] <= row["window_start"] < span[1]
        }
    )
