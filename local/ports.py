"""Ports of 127.0.0.1."""

import socket

from local.errors import LocalStackError

HOST = "127.0.0.1"


def listen(port: int) -> socket.socket:
    """Return a socket that listens at `port`. Raises `LocalStackError` when somebody else does."""
    listener = socket.socket()
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listener.bind((HOST, port))
    except OSError as error:
        listener.close()
        raise LocalStackError(f"port {port} cannot be used ({error.strerror}): set PORT to another") from error
    return listener


def free_port(preferred: int) -> int:
    """Return `preferred` if it is free now, else some port that is."""
    for port in (preferred, 0):
        with socket.socket() as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                probe.bind((HOST, port))
            except OSError:
                continue
            found: int = probe.getsockname()[1]
            return found
    raise LocalStackError("no free port")


def is_open(port: int) -> bool:
    """Say whether something accepts connections at `port`."""
    with socket.socket() as probe:
        probe.settimeout(1)
        return probe.connect_ex((HOST, port)) == 0
