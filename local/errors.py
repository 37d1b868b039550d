"""What can go wrong while the local stack starts; the message is for the person who ran it."""


class LocalStackError(Exception):
    """The stack cannot start, or has ended: the message says why and what to do, and names the log where there is one."""
