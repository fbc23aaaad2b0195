"""Free ports of this machine, for itself alone."""

from __future__ import annotations

import socket

from testproject.demo.children import DemoError

HOST = "127.0.0.1"
#: How many ports after the wanted one are tried.
TRIES = 100


def listen(port: int) -> socket.socket:
    """A socket that listens on ``port``, or on the next free one.

    It is handed to the web server, so nobody can take the port in between.
    """
    for candidate in range(port, min(port + TRIES, 65536)):
        listener = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
        # Lets a demo start again at once on the port of the last one; a port that is in use stays so.
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            listener.bind((HOST, candidate))
            listener.listen(128)
        except PermissionError:
            listener.close()
            raise DemoError(f"Port {candidate} needs more rights than you have; choose one from 1024 on.") from None
        except OSError:
            listener.close()
            continue
        return listener
    raise DemoError(f"No port from {port} to {port + TRIES - 1} is free.")


def free_port(port: int) -> int:
    """``port``, or the next one that nobody listens on."""
    with listen(port) as listener:
        found: int = listener.getsockname()[1]
    return found
