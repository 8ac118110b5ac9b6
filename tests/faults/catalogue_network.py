"""Faults of the network between producer and brokers: each broker has a listener behind a proxy."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator

from tests.faults.proxy import Proxy, proxies
from tests.faults.registry import fault
from tests.faults.rig import Rig


@contextlib.contextmanager
def between(rig: Rig) -> Iterator[list[Proxy]]:
    """Tweets that flow through proxies, and have all arrived at the end."""
    port = rig.system.installation.port
    with proxies([(port(9292), port(9192)), (port(9293), port(9193))]) as both:
        servers = [f"127.0.0.1:{port(9292)}", f"127.0.0.1:{port(9293)}"]
        rig.start(kafka={"bootstrap_servers": servers, "request_timeout_ms": 10_000})
        yield both
        rig.drain()


@fault(
    "network-cut",
    injected="nothing passes between producer and brokers for 20 s; connections stay",
    promised="the circuit opens and closes again",
    minutes=1,
)
def network_cut(rig: Rig) -> None:
    with between(rig) as both:
        for proxy in both:
            proxy.weather.cut = True
        rig.wait_for("the circuit to open", lambda: rig.producer.circuit() == "open")
        rig.flow(10)
        for proxy in both:
            proxy.weather.cut = False
        rig.wait_for("the circuit to close", lambda: rig.producer.circuit() == "closed")


@fault(
    "network-slow",
    injected="every block is 0.5 s late",
    promised="it goes on, in larger batches",
)
def network_slow(rig: Rig) -> None:
    with between(rig) as both:
        for proxy in both:
            proxy.weather.delay_seconds = 0.5
        before = rig.producer.metric("acknowledged_total")
        rig.flow(15)
        assert rig.producer.metric("acknowledged_total") > before
        for proxy in both:
            proxy.weather.delay_seconds = 0.0


@fault(
    "network-throttled",
    injected="20 kB a second towards the brokers, a third of what comes",
    promised="the journal takes the rest, and drains when there is room again",
    minutes=1,
)
def network_throttled(rig: Rig) -> None:
    with between(rig) as both:
        for proxy in both:
            proxy.weather.bytes_per_second = 10_000
        rig.flow(25)
        assert rig.producer.backlog() > 500
        for proxy in both:
            proxy.weather.bytes_per_second = 0.0


@fault(
    "network-reset",
    injected="every connection is reset in mid-request after 100 kB, for 20 s",
    promised="what was cut is sent again",
    minutes=1,
)
def network_reset(rig: Rig) -> None:
    with between(rig) as both:
        for proxy in both:
            proxy.weather.reset_after_bytes = 100_000
        rig.flow(20)
        assert sum(proxy.resets for proxy in both) > 2
        for proxy in both:
            proxy.weather.reset_after_bytes = 0
