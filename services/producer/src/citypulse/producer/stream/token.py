"""One process for one token: X gives a token one connection and one set of rules, so that of two processes
each would end the other's stream and delete its rules.

The claim is an abstract unix socket named by the token's sha256: it needs no file, dies with the process, and
tells who holds it. It is seen by the processes of one network namespace, which is a host or a container;
producers on several hosts must be given tokens of their own by whoever deploys them.
"""

import hashlib
import socket
import struct

from citypulse.producer.errors import BadInputError

_CREDENTIALS = struct.Struct("3i")
"""pid, uid and gid, as SO_PEERCRED gives them."""


def claim(token: str) -> socket.socket:
    """Take a token for this process; it is held until the socket is closed.

    Raises:
        BadInputError: another process of this host has it.
    """
    name = "\0citypulse-producer/" + hashlib.sha256(token.encode()).hexdigest()
    held = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    try:
        held.bind(name)
        # Whoever asks for the owner waits in this queue for good, since nobody accepts.
        held.listen(socket.SOMAXCONN)
    except OSError as error:
        held.close()
        raise BadInputError(
            f"x.bearer_token_file: the token is in use by {_owner(name)}, and X gives a token one"
            " connection: stop that producer first, or give this one a token of its own"
        ) from error
    return held


def _owner(name: str) -> str:
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as asking:
        asking.settimeout(1)
        try:
            asking.connect(name)
            credentials = asking.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, _CREDENTIALS.size)
        except OSError:
            return "another process"
    return f"process {_CREDENTIALS.unpack(credentials)[0]}"
