"""What ends a command early, and with which exit status."""

from collections.abc import Mapping
from enum import IntEnum
from typing import Any

from pancake_meter_client.errors import PancakeMeterError, UnexpectedAnswer

SERVER_TROUBLE = 500
NOT_OURS = "unknown"
"""The code of an answer that is no problem of the API's."""


class ExitStatus(IntEnum):
    """How the command ends."""

    OK = 0
    REFUSED = 1
    USAGE = 2
    UNREACHABLE = 3


class Failure(Exception):
    """The command ends here. ``helps`` says what a person can do about it."""

    def __init__(
        self, status: ExitStatus, code: str, detail: str, helps: str = "", more: Mapping[str, Any] | None = None
    ) -> None:
        """``more`` is shown with ``--json``: the API's whole problem."""
        super().__init__(detail)
        self.status = status
        self.code = code
        self.detail = detail
        self.helps = helps
        self.more = more or {}

    def to_json(self) -> dict[str, Any]:
        """Return it as one JSON document."""
        return {**self.more, "code": self.code, "detail": self.detail, "helps": self.helps or None}


def usage(detail: str, helps: str = "", code: str = "usage") -> Failure:
    """Return the failure of a command that was not given what it needs."""
    return Failure(ExitStatus.USAGE, code, detail, helps)


def unreachable(code: str, detail: str, helps: str = "") -> Failure:
    """Return the failure of a system that gave no useful answer."""
    return Failure(ExitStatus.UNREACHABLE, code, detail, helps)


def refused(code: str, detail: str, helps: str = "") -> Failure:
    """Return the failure of a request that was understood and refused."""
    return Failure(ExitStatus.REFUSED, code, detail, helps)


def of_client(error: PancakeMeterError, helps: str) -> Failure:
    """Return the failure that an error of the API's client stands for."""
    detail = str(error.problem.get("detail", "no detail"))
    is_trouble = isinstance(error, UnexpectedAnswer) or error.code == NOT_OURS or (error.status or 0) >= SERVER_TROUBLE
    status = ExitStatus.UNREACHABLE if is_trouble else ExitStatus.REFUSED if error.status else ExitStatus.USAGE
    return Failure(status, error.code, detail, helps, error.problem)
