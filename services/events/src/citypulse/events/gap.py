"""A gap: a stretch of time in which posts of X may not have been received. The value of a record in `gaps`.

The topic is compacted and keyed by the gap's id. A gap is published when it opens, when it ends, and when it
is filled or it is known why it cannot be; the last record says all there is to know. Times are X's, so that a
producer whose clock is wrong does not move them.
"""

import msgspec


class Gap(msgspec.Struct, frozen=True):
    """From when until when posts may be missing, of which feeds, and why."""

    id: str
    """`<producer>-<start>`; also the key of its record. Never given twice."""
    producer: str
    """Name of the producer that did not receive."""
    feeds: tuple[str, ...]
    """Feeds that were wanted when it opened, sorted."""
    countries: tuple[str, ...]
    """ISO 3166-1 alpha-2 codes that those feeds name, sorted; empty where a feed names none, and posts of any
    country may be missing.
    """
    start: int
    """Everything that X sent before is received: milliseconds since the epoch, UTC."""
    end: int | None
    """Everything that X sent from then on is received; null while nothing is."""
    cause: str
    """What began it.

    Of the connection: network, stalled, closed, http_<status>, too_many_connections, usage_capped,
    slow_reader, operational_disconnect, invalid_rules, rules, refused; of the host: journal_full, dropped,
    disk, spend; of the process: stopped, failed, killed.
    """
    filled_by: str = ""
    """`backfill` or `search` once its posts were fetched again; empty while it is open."""
    filled_at: int = 0
    """When that was: milliseconds since the epoch, UTC."""
    filled_until: int = 0
    """Posts created before are fetched already; 0 where none are. The rest, up to `end`, remains."""
    reason: str = ""
    """Why it cannot be filled, in a sentence; empty where that is not known."""

    @property
    def open(self) -> bool:
        """Whether posts may still be missing."""
        return not self.filled_by

    def remaining_ms(self, now: int) -> int:
        """Milliseconds of it that are not filled.

        Args:
            now: end of a gap that has none yet, in ms since the epoch.
        """
        if not self.open:
            return 0
        until = now if self.end is None else self.end
        return max(until - max(self.start, self.filled_until), 0)


_encoder = msgspec.json.Encoder()
_decoder = msgspec.json.Decoder(Gap)


def encode(gap: Gap) -> bytes:
    """The value of the gap's Kafka record."""
    return _encoder.encode(gap)


def decode(value: bytes) -> Gap:
    """The gap in a Kafka record's value.

    Raises:
        msgspec.DecodeError: the value is no gap.
    """
    return _decoder.decode(value)


def key(gap: Gap) -> bytes:
    """The key of the gap's Kafka record."""
    return gap.id.encode()


def topic_name(run: str) -> str:
    """The topic that holds the gaps of a run; the empty run is live."""
    return f"{run}.gaps" if run else "gaps"
