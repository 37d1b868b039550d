"""The answer's envelope: {"data", "errors": [{"message", "layer", "aiHint"?}], "warnings"?}."""

from dataclasses import dataclass
from typing import Any

Json = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Notice:
    """One entry of `errors` or `warnings`."""

    message: str
    layer: str
    ai_hint: str | None = None

    def to_wire(self) -> Json:
        """The JSON of it."""
        hint = {"aiHint": self.ai_hint} if self.ai_hint else {}
        return {"message": self.message, "layer": self.layer, **hint}


class ApiError(Exception):
    """A refusal: HTTP status, the root cause, and warnings that go with it."""

    def __init__(self, status: int, message: str, layer: str, *warnings: Notice) -> None:
        super().__init__(message)
        self.status = status
        self.notice = Notice(message, layer)
        self.warnings = warnings


@dataclass(frozen=True, slots=True)
class Answer:
    """What an action gives back."""

    data: Json
    warnings: tuple[Notice, ...] = ()


def success(answer: Answer) -> Json:
    """The envelope of an answer."""
    return {"data": answer.data, **_warnings(answer.warnings)}


def failure(error: ApiError) -> Json:
    """The envelope of a refusal."""
    return {"data": None, "errors": [error.notice.to_wire()], **_warnings(error.warnings)}


def _warnings(warnings: tuple[Notice, ...]) -> Json:
    return {"warnings": [notice.to_wire() for notice in warnings]} if warnings else {}
