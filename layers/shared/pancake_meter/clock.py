"""The clock of the functions: the present instant. The local build alone has a movable one in its place."""

from datetime import UTC, datetime


def now() -> datetime:
    """Return the present instant in UTC."""
    return datetime.now(UTC)
