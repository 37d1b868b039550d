"""What Waffo's refusal of an operator's wish means."""

from http import HTTPStatus
from typing import Final

from pancake_meter.waffo.errors import WaffoRejected

_LENGTH_MAX: Final = 300
_ABOUT_THE_REQUEST: Final = frozenset(
    {
        HTTPStatus.OK,
        HTTPStatus.BAD_REQUEST,
        HTTPStatus.NOT_FOUND,
        HTTPStatus.CONFLICT,
        HTTPStatus.UNPROCESSABLE_ENTITY,
    }
)
"""Any other is about our key or our call, and says nothing of what was wished for."""


def is_about_the_request(refusal: WaffoRejected) -> bool:
    """Return whether Waffo refuses what was asked for, and would refuse it again."""
    return refusal.status in _ABOUT_THE_REQUEST and bool(refusal.notices)


def words_of(refusal: WaffoRejected) -> str:
    """Return why, in Waffo's words."""
    return refusal.notices[0].message[:_LENGTH_MAX] if refusal.notices else ""
