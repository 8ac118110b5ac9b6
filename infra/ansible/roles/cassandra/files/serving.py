"""Whether this node takes CQL: asked with an OPTIONS frame.

A node opens its CQL port once it is part of the ring.
"""

import socket
import struct

VERSION, OPTIONS, SUPPORTED, HEADER_BYTES = 4, 0x05, 0x06, 9


def unready(request):
    """None when the node answers a CQL request, else what it answers."""
    with socket.create_connection((request["address"], request["port"]), timeout=5) as connection:
        connection.sendall(struct.pack(">BBhBi", VERSION, 0, 0, OPTIONS, 0))
        answer = b""
        while len(answer) < HEADER_BYTES:
            more = connection.recv(HEADER_BYTES - len(answer))
            if not more:
                return "it closed the connection"
            answer += more
    opcode = answer[4]
    return None if opcode == SUPPORTED else f"it answered with opcode {opcode}"
