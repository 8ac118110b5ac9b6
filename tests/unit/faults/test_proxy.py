"""The proxy of the network's faults leaves nothing behind: two faults in a row use the same ports."""

from __future__ import annotations

import socket
from contextlib import closing

from tests.faults.proxy import proxies


def test_its_port_and_its_connections_are_free_when_it_has_stopped() -> None:
    with closing(socket.create_server(("127.0.0.1", 0))) as broker:
        target = broker.getsockname()[1]
        with closing(socket.create_server(("127.0.0.1", 0))) as taken:
            port = taken.getsockname()[1]
        for cut in (True, False, True):
            with proxies([(port, target)]) as (proxy,):
                client = socket.create_connection(("127.0.0.1", port), timeout=30)
                onward, _ = broker.accept()
                client.sendall(b"tweets")
                assert onward.recv(6) == b"tweets"
                proxy.weather.cut = cut
                waiting = socket.create_connection(("127.0.0.1", port), timeout=30)
            onward.settimeout(30)
            assert onward.recv(1) == b"", "the broker's end is open"
            for end in (client, waiting):
                assert end.recv(1) == b"", "an end is open"
            for end in (client, waiting, onward):
                end.close()
            if not cut:
                broker.accept()[0].close()
