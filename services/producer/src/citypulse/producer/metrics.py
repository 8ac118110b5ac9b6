"""What the producer counts about itself, for Prometheus."""

from prometheus_client import CollectorRegistry, Counter, Enum, Gauge, PlatformCollector, ProcessCollector

registry = CollectorRegistry()
ProcessCollector(registry=registry)
PlatformCollector(registry=registry)

_PREFIX = "citypulse_producer_"


def _counter(name: str, meaning: str, *labels: str) -> Counter:
    return Counter(_PREFIX + name, meaning, labels, registry=registry)


def _gauge(name: str, meaning: str) -> Gauge:
    return Gauge(_PREFIX + name, meaning, registry=registry)


received = _counter("received_total", "Messages read from X")
received_bytes = _counter("received_bytes_total", "Bytes of messages read from X")
keep_alives = _counter("keep_alives_total", "Keep-alive lines read from X")
accepted = _counter("accepted_total", "Messages safe in the journal on disk")
commits = _counter("journal_commits_total", "Group commits of the journal, one fdatasync each")
sent = _counter("sent_total", "Events handed to the Kafka client; more than once where they were sent again")
acknowledged = _counter("acknowledged_total", "Events that Kafka has acknowledged")
set_aside = _counter("set_aside_total", "Messages that could not become an event, by reason", "reason")
not_set_aside = _counter(
    "not_set_aside_total", "Lines that a full disk kept from a file of what is set aside, by file", "file"
)
dropped = _counter(
    "dropped_total", "Messages that were read and dropped because the journal was full, by cause", "cause"
)
foreign = _counter("foreign_total", "Messages that matched no rule of this producer")
corrupt = _counter("journal_corrupt_total", "Stretches of the journal that held no sound record")
resends = _counter("resends_total", "Times that sending began again at the cursor, by cause", "cause")
places_published = _counter("places_published_total", "Cities published to the topic of places")
unresolved_places = Counter(
    "citypulse_unresolved_places_total", "Posts whose place is not known to be in a city", registry=registry
)
reconnects = _counter("reconnects_total", "Connections to X that ended or failed, by cause", "cause")
stream_errors = _counter("stream_errors_total", "Errors that X sent within the stream, by title", "title")

stream_state = Enum(
    _PREFIX + "stream_state",
    "What the connection to X is doing",
    states=["starting", "connecting", "connected", "waiting", "stopped"],
    registry=registry,
)
rules = _gauge("rules", "Rules of this producer on X")
journal_bytes = _gauge("journal_bytes", "Bytes of the journal's segments")
journal_full = _gauge("journal_full", "Whether the journal takes nothing, for its size or a full disk")
journal_backlog = _gauge("journal_backlog_records", "Records of the journal that Kafka has not acknowledged")
journal_oldest_age = _gauge(
    "journal_oldest_age_seconds", "Age of the oldest journaled message that Kafka has not acknowledged"
)
in_flight_records = _gauge("in_flight_records", "Records handed to the Kafka client and not acknowledged")
in_flight_bytes = _gauge("in_flight_bytes", "Bytes of those records")
unacknowledged_age = _gauge(
    "oldest_unacknowledged_age_seconds",
    "How long ago the oldest record in flight was handed to the Kafka client",
)


def stream_is(state: str) -> bool:
    """Whether the connection to X is in a state."""
    return registry.get_sample_value(f"{_PREFIX}stream_state", {f"{_PREFIX}stream_state": state}) == 1


def journal_is_full() -> bool:
    """Whether the journal takes nothing."""
    return bool(registry.get_sample_value(f"{_PREFIX}journal_full"))
