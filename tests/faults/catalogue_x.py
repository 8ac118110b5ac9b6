"""Faults of X: what was lost is known by time and cause, and fetched again where X lets us.

The source does not wait here: as on X, what comes while nobody is connected is gone, or lies in a gap.
"""

from __future__ import annotations

from typing import Any

from tests.faults.registry import fault
from tests.faults.rig import Rig

PATIENCE = {"stall_seconds": 4.0, "too_many_connections_first_seconds": 0.5, "usage_cap_first_seconds": 1.0}


def _stream(rig: Rig, x: dict[str, Any] | None = None, **account: bool) -> None:
    """Tweets from an X that loses what nobody is there to receive."""
    rig.start(
        replay={"play": {"hold": False}, "control": {"enabled": True}, "account": account},
        x={**PATIENCE, **(x or {})},
    )
    rig.flow(2)


def _until_back(rig: Rig, reconnects: float) -> None:
    """Wait until the stream has ended and is there again, and let some tweets come."""
    rig.wait_for("the stream to end", lambda: rig.producer.metric_sum("reconnects_total") > reconnects)
    rig.wait_for("the stream to be back", rig.producer.connected)
    rig.flow(2)


def _ends(rig: Rig, name: str, **parameters: Any) -> None:
    """A fault that ends the stream once."""
    _stream(rig)
    before = rig.producer.metric_sum("reconnects_total")
    rig.replay.fault(name, **parameters)
    _until_back(rig, before)
    assert rig.producer.gaps(), "a stream ended, and no gap is recorded"


ENDS: dict[str, tuple[str, dict[str, Any]]] = {
    "disconnect": ("X closes the stream", {}),
    "cut": ("the connection to X is reset", {}),
    "cut_mid_line": ("the connection to X is reset in the middle of a line", {}),
    "stall": ("X keeps the connection and sends nothing, not even keep-alives", {"seconds": 30}),
}
for _name, (_injected, _parameters) in ENDS.items():

    @fault(
        f"x-{_name}".replace("_", "-"),
        injected=_injected,
        promised="a gap is recorded, and the stream is back",
    )
    def ends(rig: Rig, name: str = _name, parameters: dict[str, Any] = _parameters) -> None:
        _ends(rig, name, **parameters)


@fault(
    "x-closes-mid-line",
    injected="X closes the stream cleanly in the middle of a line",
    promised="the half is set aside, and the stream is back",
)
def x_closes_mid_line(rig: Rig) -> None:
    _ends(rig, "cut_mid_line", clean=True)


@fault("x-drip", injected="X sends 2 kB a second for 6 s", promised="what is late is not lost")
def x_drip(rig: Rig) -> None:
    _stream(rig)
    rig.replay.fault("drip", seconds=6, bytes_per_second=2000)
    rig.flow(10)


REFUSALS: dict[str, tuple[str, dict[str, Any]]] = {
    "rate_limit": ("X answers 429: requests are used up, with the time of their reset", {"seconds": 3}),
    "too_many_connections": ("X answers 429: too many connections", {"count": 2}),
    "server_error": ("X answers 500", {"count": 3}),
    "unavailable": ("X answers 503", {"count": 3}),
    "conflict": ("X answers 409: no rules", {"count": 2}),
}
for _name, (_injected, _parameters) in REFUSALS.items():

    @fault(
        f"x-{_name}".replace("_", "-"),
        injected=f"the stream is closed, and then {_injected}",
        promised="it is tried again as X asks, and what was missed lies in a gap",
    )
    def refuses(rig: Rig, name: str = _name, parameters: dict[str, Any] = _parameters) -> None:
        _stream(rig)
        before = rig.producer.metric_sum("reconnects_total")
        rig.replay.fault(name, endpoint="stream", **parameters)
        rig.replay.fault("disconnect")
        _until_back(rig, before)
        assert rig.producer.gaps()


@fault(
    "x-rules-wiped",
    injected="the rules on X are gone, and the stream is closed",
    promised="they are made again, and nothing of what they match is lost outside the gap",
)
def x_rules_wiped(rig: Rig) -> None:
    _stream(rig)
    before = rig.producer.metric_sum("reconnects_total")
    rig.replay.fault("disconnect")
    rig.replay.fault("conflict", wipe_rules=True)
    _until_back(rig, before)


for _status, _name in ((401, "unauthorized"), (403, "forbidden")):

    @fault(
        f"x-{_name}",
        injected=f"the stream is closed, and X answers {_status} from then on, until somebody has mended it",
        promised="the producer ends with 3 and is not started again by itself; what was missed lies in a gap",
    )
    def stops(rig: Rig, name: str = _name) -> None:
        _stream(rig)
        armed = rig.replay.fault(name, endpoint="all", seconds=3600)
        rig.replay.fault("disconnect")
        rig.wait_for("the producer to end", lambda: not rig.producer.pid)
        assert rig.producer.codes == [3]
        rig.flow(2)
        rig.replay.end_fault(armed)
        rig.producer.start(x=PATIENCE)
        rig.wait_for("the stream to be back", rig.producer.connected)
        rig.flow(2)


ERRORS = {
    "UpstreamOperationalDisconnect": "operational disconnect",
    "SlowReader": "this client reads too slowly",
    "usage-capped": "the usage cap is reached",
}
for _name, _injected in ERRORS.items():

    @fault(
        f"x-error-{_name.lower()}",
        injected=f"X says within the stream: {_injected}, and closes it",
        promised="it is counted by its type, and the stream is back",
    )
    def says(rig: Rig, name: str = _name) -> None:
        capped = name == "usage-capped"
        _ends(rig, "error_in_stream", **({"error": name} if capped else {"disconnect_type": name}))
        assert rig.producer.metric_sum("stream_errors_total") >= 1


@fault(
    "x-malformed",
    injected="lines that are no JSON, and lines that are no text, come between tweets",
    promised="they are set aside, counted, and stop nothing",
)
def x_malformed(rig: Rig) -> None:
    _stream(rig)
    for kind in ("text", "binary"):
        rig.replay.fault("malformed", kind=kind, count=5)
    rig.flow(4)
    rig.wait_for("ten of them to be set aside", lambda: rig.producer.metric_sum("set_aside_total") >= 10)


@fault(
    "x-no-place",
    injected="ten located tweets come without their place",
    promised="they are known by reason, and stop nothing",
)
def x_no_place(rig: Rig) -> None:
    _stream(rig)
    rig.replay.fault("no_place", count=10)
    rig.flow(4)


@fault("x-duplicates", injected="every third tweet comes twice", promised="each counts once")
def x_duplicates(rig: Rig) -> None:
    _stream(rig)
    rig.replay.fault("duplicate", every=3, later=20, count=200)
    rig.flow(6)


@fault("x-disorder", injected="tweets come shuffled, 50 at a time", promised="the order does not matter")
def x_disorder(rig: Rig) -> None:
    _stream(rig)
    rig.replay.fault("disorder", window=50, count=10)
    rig.flow(6)


@fault(
    "x-dead-connection",
    injected="the connection is reset, and X goes on counting it for 5 s: 429 until then",
    promised="patience, and a gap",
)
def x_dead_connection(rig: Rig) -> None:
    _ends(rig, "dead_connection", seconds=5)
    assert rig.producer.metric("reconnects_total", cause="too_many_connections") >= 1


@fault(
    "x-gap-filled-by-search",
    injected="the stream is closed and X answers 503 for 5 s; the account has recent search",
    promised="what was missed is fetched again, and nothing is missing",
    minutes=1,
)
def x_gap_filled_by_search(rig: Rig) -> None:
    _stream(rig, {"search": True, "search_delay_seconds": 12.0, "search_margin_seconds": 300.0}, search=True)
    before = rig.producer.metric_sum("reconnects_total")
    rig.replay.fault("unavailable", seconds=5)
    rig.replay.fault("disconnect")
    _until_back(rig, before)
    rig.wait_for("every gap to be filled", lambda: rig.producer.metric("open_gaps") == 0)
    rig.drain()
    assert rig.finish().accounts[-1].missing == 0


@fault(
    "x-gap-filled-by-backfill",
    injected="the stream is closed and X answers 503 for 5 s; the account has backfill",
    promised="what was missed comes again, and nothing is missing",
    minutes=1,
)
def x_gap_filled_by_backfill(rig: Rig) -> None:
    _stream(rig, {"backfill_minutes": 5, "backfill_settle_seconds": 5.0}, backfill=True)
    before = rig.producer.metric_sum("reconnects_total")
    rig.replay.fault("unavailable", seconds=5)
    rig.replay.fault("disconnect")
    _until_back(rig, before)
    rig.wait_for("every gap to be filled", lambda: rig.producer.metric("open_gaps") == 0)
    rig.drain()
    assert rig.finish().accounts[-1].missing == 0
