"""What the board says of itself, for Prometheus."""

from prometheus_client import CollectorRegistry, Counter, Histogram, ProcessCollector, generate_latest

_BUCKETS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10)


class Metrics:
    """All metrics of one board."""

    def __init__(self) -> None:
        self.registry = registry = CollectorRegistry()
        ProcessCollector(registry=registry)
        self.requests = Counter(
            "citypulse_board_requests_total", "Answers given, by status", ["status"], registry=registry
        )
        self.answers = Counter(
            "citypulse_board_answers_total",
            "Data of panels and values of variables that were wanted: `made` asked the sources, `kept` not",
            ["how"],
            registry=registry,
        )
        self.seconds = Histogram(
            "citypulse_board_request_seconds", "From request to answer", buckets=_BUCKETS, registry=registry
        )

    def text(self) -> bytes:
        """In Prometheus' text format."""
        return generate_latest(self.registry)
