"""What the producer counts about itself, for Prometheus."""

from prometheus_client import CollectorRegistry, Counter, Enum, Gauge, PlatformCollector, ProcessCollector

registry = CollectorRegistry()
ProcessCollector(registry=registry)
PlatformCollector(registry=registry)

_PREFIX = "citypulse_producer_"


def _counter(name: str, meaning: str, *labels: str) -> Counter:
    return Counter(_PREFIX + name, meaning, labels, registry=registry)


def _gauge(name: str, meaning: str, *labels: str) -> Gauge:
    return Gauge(_PREFIX + name, meaning, labels, registry=registry)


received = _counter("received_total", "Messages read from X")
received_bytes = _counter("received_bytes_total", "Bytes of messages read from X")
keep_alives = _counter("keep_alives_total", "Keep-alive lines read from X")
accepted = _counter("accepted_total", "Messages safe in the journal on disk")
commits = _counter("journal_commits_total", "Group commits of the journal, one fdatasync each")
sent = _counter("sent_total", "Events handed to the Kafka client; more than once where they were sent again")
acknowledged = _counter("acknowledged_total", "Events that Kafka has acknowledged")
set_aside = _counter("set_aside_total", "Messages that are kept for a look, by reason", "reason")
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
unresolved_places = _counter(
    "unresolved_places_total", "Posts whose city is not known, by the type of their place", "type"
)
send_errors = _counter(
    "send_errors_total", "Attempts to hand a record to Kafka that failed, by cause", "cause"
)
released = _counter(
    "released_single_copies_total",
    "Records whose only copy is on one broker that a full journal no longer keeps (durability 'available')",
)
circuit_changes = _counter(
    "circuit_changes_total", "Changes of the circuit, by the state it came to", "state"
)
reconnects = _counter("reconnects_total", "Connections to X that ended or failed, by cause", "cause")
stream_errors = _counter("stream_errors_total", "Errors that X sent within the stream, by type", "type")
gap_seconds = _counter("gap_seconds_total", "Seconds in which posts may not have been received", "cause")
gaps_recorded = _counter("gaps_total", "Gaps that were recorded, by cause", "cause")
gaps_filled = _counter("gaps_filled_total", "Gaps whose posts were fetched again, by way", "by")
searched = _counter("searched_total", "Posts that recent search gave, those that were known already included")
reloads = _counter("reloads_total", "Changes of the configuration while running, by outcome", "outcome")

stream_state = Enum(
    _PREFIX + "stream_state",
    "What the connection to X is doing",
    states=["starting", "connecting", "connected", "waiting", "spent", "stopped"],
    registry=registry,
)
circuit_state = Enum(
    _PREFIX + "circuit_state",
    "How hard the sender pushes",
    states=["closed", "slowed", "open", "half_open"],
    registry=registry,
)
circuit_signal = _gauge("circuit_signal", "What the circuit looks at, by signal", "signal")
brokers_available = _gauge("brokers_available", "Brokers that answered the last look at them")
brokers_configured = _gauge("brokers_configured", "Brokers in the configuration")
replicated_lag = _gauge(
    "unreplicated_records", "Records that are acknowledged and that not all replicas are known to have"
)
rules = _gauge("rules", "Rules of this producer's feeds on X")
retweet_rules = _gauge("retweet_rules", "Rules of this producer on X that bring retweets")
retweet_rule_changes = _counter(
    "retweet_rule_changes_total",
    "Changes of those rules, by outcome: done, refused, failed, no_room, rate_limited",
    "outcome",
)
originals_watched = _gauge("originals_watched", "Posts whose retweets X is asked for")
originals_candidates = _gauge("originals_candidates", "Located posts that are remembered for being watched")
originals_let_go_share = _gauge(
    "originals_let_go_share", "Share of those that is not watched, for want of rules"
)
originals_known = _gauge("originals_known", "Located posts whose retweets can be credited")
retweets_credited = _counter("retweets_credited_total", "Retweets that count where their original does")
retweets_unknown = _counter(
    "retweets_unknown_total", "Retweets whose original is not known, which count nowhere"
)
open_gaps = _gauge("open_gaps", "Gaps whose posts were not fetched again")
open_gap_seconds = _gauge("open_gap_seconds", "Seconds of those gaps")
spend_posts = _gauge("spend_posts", "Posts that X delivered in this UTC day or month", "period")
spend_limit = _gauge("spend_limit_posts", "Posts after which reading stops; 0 sets no limit", "period")
spend_usd = _gauge("spend_usd", "What those posts cost at spend.price_per_post", "period")
journal_bytes = _gauge("journal_bytes", "Bytes of the journal's segments")
journal_limit = _gauge("journal_limit_bytes", "Bytes at which the journal takes nothing more")
journal_full = _gauge("journal_full", "Whether the journal takes nothing, for its size or a full disk")
journal_waiting = _gauge(
    "journal_waiting_seconds", "How long the oldest message that was read has waited for the disk"
)
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
