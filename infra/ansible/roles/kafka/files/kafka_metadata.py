"""Asks a broker what it knows of its cluster: Kafka's Metadata request, version 1."""

import socket
import struct

METADATA, VERSION, ALL_TOPICS = 3, 1, -1


def metadata(address, port, timeout=5):
    """What this broker sees: `brokers` (ids), `topics` (name to its partitions' leader, replicas, isr)."""
    client = b"citypulse"
    request = struct.pack(">hhih", METADATA, VERSION, 1, len(client)) + client + struct.pack(">i", ALL_TOPICS)
    with socket.create_connection((address, port), timeout=timeout) as connection:
        connection.sendall(struct.pack(">i", len(request)) + request)
        (size,) = struct.unpack(">i", _exactly(connection, 4))
        answer = _Reader(_exactly(connection, size))
    answer.take(">i")
    brokers = answer.array(
        lambda: (answer.take(">i"), answer.string(), answer.take(">i"), answer.string())[0]
    )
    controller = answer.take(">i")
    topics = answer.array(lambda: _topic(answer))
    return {"brokers": brokers, "controller": controller, "topics": dict(topics)}


def _topic(answer):
    answer.take(">h")
    name = answer.string()
    answer.take(">b")
    return name, answer.array(lambda: _partition(answer))


def _partition(answer):
    answer.take(">hi")
    leader = answer.take(">i")
    return {"leader": leader, "replicas": answer.integers(), "isr": answer.integers()}


class _Reader:
    """Reads the protocol's primitive types one after the other."""

    def __init__(self, data):
        self.data, self.at = data, 0

    def take(self, form):
        values = struct.unpack_from(form, self.data, self.at)
        self.at += struct.calcsize(form)
        return values[-1]

    def string(self):
        length = self.take(">h")
        if length < 0:
            return None
        self.at += length
        return self.data[self.at - length : self.at].decode()

    def array(self, element):
        return [element() for _ in range(self.take(">i"))]

    def integers(self):
        return self.array(lambda: self.take(">i"))


def _exactly(connection, size):
    data = b""
    while len(data) < size:
        more = connection.recv(size - len(data))
        if not more:
            raise OSError("the broker closed the connection")
        data += more
    return data
