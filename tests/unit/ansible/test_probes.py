"""The probes ask the servers in the servers' own protocols; here stand-ins answer as they do."""

import contextlib
import http.server
import json
import socketserver
import struct
import threading

import pytest


@contextlib.contextmanager
def _server(answer):
    class Handler(socketserver.BaseRequestHandler):
        def handle(self):
            self.request.sendall(answer(self.request.recv(65536)))

    with socketserver.ThreadingTCPServer(("127.0.0.1", 0), Handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield server.server_address[1]
        server.shutdown()


@pytest.fixture
def unready(program, tmp_path):
    """What the probe finds missing, None when nothing is."""
    ask = tmp_path / "ask.py"
    ask.write_text(
        "import json, sys, probe\n"
        "try:\n    found = probe.unready(json.loads(sys.argv[1]))\n"
        "except OSError as error:\n    found = str(error)\n"
        "print(json.dumps(found))\n"
    )

    def run(path, request, **imports):
        done = program(request, **imports, probe=path, ask=str(ask))
        assert done.returncode == 0, done.stderr
        return json.loads(done.stdout)

    return run


def _zookeeper(mode):
    return _server(
        lambda word: f"Zookeeper version: 3.8.4\nMode: {mode}\n".encode() if word == b"srvr" else b""
    )


def _ensemble(*ports):
    servers = [{"address": "127.0.0.1", "client_port": port} for port in ports]
    return {"address": "127.0.0.1", "port": ports[0], "members": len(ports), "servers": servers}


def test_a_follower_with_one_leader_is_a_quorum(unready):
    with _zookeeper("follower") as one, _zookeeper("leader") as two:
        assert unready("zookeeper/files/quorum.py", _ensemble(one, two)) is None


def test_two_standalone_zookeepers_are_no_quorum(unready):
    with _zookeeper("standalone") as one, _zookeeper("standalone") as two:
        assert "no quorum" in unready("zookeeper/files/quorum.py", _ensemble(one, two))


def test_a_follower_without_a_leader_is_not_ready(unready):
    with _zookeeper("follower") as one, _zookeeper("follower") as two:
        assert "no leader" in unready("zookeeper/files/quorum.py", _ensemble(one, two))


def test_a_single_zookeeper_stands_alone(unready):
    with _zookeeper("standalone") as one:
        assert unready("zookeeper/files/quorum.py", _ensemble(one)) is None


def _text(value):
    return struct.pack(">h", len(value)) + value.encode()


def _metadata(brokers, isr):
    body = struct.pack(">i", 1) + struct.pack(">i", len(brokers))
    for broker in brokers:
        body += (
            struct.pack(">i", broker) + _text("127.0.0.1") + struct.pack(">i", 9092) + struct.pack(">h", -1)
        )
    body += struct.pack(">i", brokers[0])
    body += struct.pack(">i", 1) + struct.pack(">h", 0) + _text("tweets") + b"\0" + struct.pack(">i", 1)
    body += struct.pack(">hii", 0, 0, brokers[0]) + struct.pack(">iii", 2, 1, 2)
    body += struct.pack(f">i{len(isr)}i", len(isr), *isr)
    return struct.pack(">i", len(body)) + body


@pytest.mark.parametrize(
    ("brokers", "isr", "missing"),
    [
        ([1, 2], [1, 2], None),
        ([1], [1, 2], "broker 2 is not registered"),
        ([1, 2], [1], "1 partitions are under-replicated (tweets-0, …)"),
    ],
)
def test_a_broker_serves_when_all_are_registered_and_in_sync(unready, brokers, isr, missing):
    with _server(lambda _: _metadata(brokers, isr)) as port:
        request = {"address": "127.0.0.1", "port": port, "brokers": [1, 2]}
        found = unready("kafka/files/serving.py", request, kafka_metadata="kafka/files/kafka_metadata.py")
    assert found == missing


@pytest.mark.parametrize(("opcode", "ready"), [(0x06, True), (0x00, False)])
def test_cassandra_serves_when_it_answers_options_with_supported(unready, opcode, ready):
    with _server(lambda _: struct.pack(">BBhBi", 0x84, 0, 0, opcode, 0)) as port:
        found = unready("cassandra/files/serving.py", {"address": "127.0.0.1", "port": port})
    assert (found is None) is ready


@contextlib.contextmanager
def _http(status, body):
    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self):
            self.send_response(status)
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_):
            pass

    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"127.0.0.1:{server.server_address[1]}"
        server.shutdown()


def _cluster(*states):
    workers = [{"host": "h", "port": 1 + number, "state": state} for number, state in enumerate(states)]
    return json.dumps({"status": "ALIVE", "workers": workers}).encode()


@pytest.mark.parametrize(
    ("states", "worker", "missing"),
    [
        (["ALIVE", "ALIVE"], "", None),
        (["ALIVE", "DEAD"], "", "1 of 2 workers are alive"),
        (["ALIVE"], "h:1", None),
        (["DEAD"], "h:1", "h:1 is not registered; alive: []"),
    ],
)
def test_spark_is_there_when_its_workers_are_alive(unready, states, worker, missing):
    with _http(200, _cluster(*states)) as address:
        request = {"masters": [address], "workers": 2, "worker": worker}
        assert unready("spark/files/cluster.py", request) == missing


def test_a_service_that_is_not_ready_is_quoted(unready):
    with _http(503, b'{"brokers": false}') as address:
        found = unready("_common/files/http_ready.py", {"url": f"http://{address}/readyz"})
    assert '503 {"brokers": false}' in found


def test_nobody_there_is_not_ready(unready):
    assert "refused" in unready("cassandra/files/serving.py", {"address": "127.0.0.1", "port": 1})
