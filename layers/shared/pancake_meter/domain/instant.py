"""Instants: aware UTC datetimes inside, milliseconds or RFC 3339 at the edges."""

import re
from datetime import UTC, datetime, timedelta

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MILLISECOND = timedelta(milliseconds=1)
TEXT_LENGTH_MAX = 64
_RFC_3339 = re.compile(
    r"[0-9]{4}-[0-9]{2}-[0-9]{2}[Tt ][0-9]{2}:[0-9]{2}(:[0-9]{2}(\.[0-9]+)?)?"  # a date, and a time
    r"([Zz]|[+-][0-9]{2}:?[0-9]{2})?"  # an offset
)
"""Seconds may be left out. The offset may not; what lacks it is told so."""

_NO_INSTANT = f"a time is an RFC 3339 string of at most {TEXT_LENGTH_MAX} characters"

_SECOND = slice(17, 19)
_LEAP_SECOND = "60"
_FIRST = datetime.min.replace(tzinfo=UTC)
_LAST = datetime.max.replace(tzinfo=UTC)


def parse_instant(text: object) -> datetime:
    """Return the instant of an RFC 3339 text that somebody else wrote, in UTC and whole milliseconds.

    An offset may carry a time beyond the calendar's ends (``0001-01-01T00:00:00+14:00``): it becomes the calendar's end on
    that side, which every rule about times refuses as too old or too far ahead. A leap second is the second before it.

    Raises:
        ValueError: it is no such text, or has no offset. The message is safe to show.
    """
    if not isinstance(text, str) or len(text) > TEXT_LENGTH_MAX or _RFC_3339.fullmatch(text) is None:
        raise ValueError(_NO_INSTANT)
    if text[_SECOND] == _LEAP_SECOND:
        text = f"{text[: _SECOND.start]}59{text[_SECOND.stop :]}"
    try:
        stated = datetime.fromisoformat(text.upper())
    except ValueError:
        raise ValueError(_NO_INSTANT) from None
    if stated.tzinfo is None:
        raise ValueError("a time needs its offset, such as Z")
    return floor_ms(_in_utc(stated))


def _in_utc(stated: datetime) -> datetime:
    try:
        return stated.astimezone(UTC)
    except OverflowError:
        return _FIRST if stated.year == _FIRST.year else _LAST


def timestamp(instant: datetime) -> str:
    """Sortable text of an instant: RFC 3339 in UTC, milliseconds."""
    return f"{instant.astimezone(UTC).replace(tzinfo=None).isoformat(timespec='milliseconds')}Z"


def to_ms(instant: datetime) -> int:
    """Instant as stored: milliseconds since the epoch, exactly."""
    return (instant - _EPOCH) // _MILLISECOND


def from_ms(milliseconds: int) -> datetime:
    """Instant from its stored form."""
    return _EPOCH + int(milliseconds) * _MILLISECOND


def floor_ms(instant: datetime) -> datetime:
    """Instant with whole milliseconds: what every store and wire format here can carry."""
    return instant.replace(microsecond=instant.microsecond // 1000 * 1000)


def ceil_second(instant: datetime) -> datetime:
    """Instant with whole seconds, this one or the next: an expiry that is never earlier than was asked for."""
    return (instant + timedelta(microseconds=999_999)).replace(microsecond=0)


def month_of(instant: datetime) -> str:
    """Calendar month of an instant, in UTC: ``2026-03``."""
    return f"{instant.astimezone(UTC):%Y-%m}"
