"""The clock of the functions: the present instant. The local stack puts a movable one in this file's place when it builds."""

from datetime import UTC, datetime


def now() -> datetime:
    """Return the present instant in UTC."""
    return datetime.now(UTC)
