"""What asks for metrics and health may go away at any moment."""

import socket
import struct
import threading
import time
from types import SimpleNamespace

import pytest

from citypulse.producer import health
from citypulse.producer.config import Http

DEADLINE = 30.0


@pytest.mark.parametrize(("waiting", "well"), [(0.0, True), (11.0, False)])
def test_a_disk_that_hangs_is_not_ready(monkeypatch: pytest.MonkeyPatch, waiting: float, well: bool) -> None:
    monkeypatch.setattr(health.metrics, "journal_is_full", lambda: False)
    sender = SimpleNamespace(connected=True, circuit=SimpleNamespace(state="closed"))
    committer = SimpleNamespace(waiting_seconds=waiting)
    one = health.Health(list, sender, committer)  # type: ignore[arg-type]
    assert one.ready()["journal"] == well


def test_who_goes_away_in_the_middle_leaves_one_line_and_no_traceback(
    capfd: pytest.CaptureFixture[str],
) -> None:
    server = health.serve(Http(port=0), None)  # type: ignore[arg-type]
    thread = threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True)
    thread.start()
    with socket.create_connection(server.server_address[:2]) as client:
        client.sendall(b"GET /metr")
        # It is reset, not closed.
        client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    end = time.monotonic() + DEADLINE
    out = err = ""
    while "a request failed" not in out:
        assert time.monotonic() < end, (out, err)
        time.sleep(0.02)
        more = capfd.readouterr()
        out, err = out + more.out, err + more.err
    server.shutdown()
    server.server_close()
    assert "Traceback" not in out + err
