"""Instants: aware UTC datetimes inside, milliseconds or RFC 3339 at the edges."""

from datetime import UTC, datetime, timedelta

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MILLISECOND = timedelta(milliseconds=1)


def timestamp(instant: datetime) -> str:
    """Sortable text of an instant: RFC 3339 in UTC, milliseconds."""
    return f"{instant.astimezone(UTC):%Y-%m-%dT%H:%M:%S}.{instant.microsecond // 1000:03d}Z"


def to_ms(instant: datetime) -> int:
    """Instant as stored: milliseconds since the epoch, exactly."""
    return (instant - _EPOCH) // _MILLISECOND


def from_ms(milliseconds: int) -> datetime:
    """Instant from its stored form."""
    return _EPOCH + int(milliseconds) * _MILLISECOND


def floor_ms(instant: datetime) -> datetime:
    """Instant with whole milliseconds: what every store and wire format here can carry."""
    return instant.replace(microsecond=instant.microsecond // 1000 * 1000)


def month_of(instant: datetime) -> str:
    """Calendar month of an instant, in UTC: ``2026-03``."""
    return f"{instant.astimezone(UTC):%Y-%m}"
