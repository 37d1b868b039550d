"""Settings of the logger, from the environment or from code."""

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, fields
from decimal import Decimal, InvalidOperation
from typing import Any, Final, Self

PREFIX: Final = "PANCAKE_METER_"
CUSTOMER: Final = ("key_metadata.customer_id", "team_id")

_IDENTITY: Final = re.compile(
    r"key_alias|key_hash|key_user_id|team_id|org_id|end_user|(key|spend_logs)_metadata\.\w{1,64}"
)
_CHOICES: Final[Mapping[str, tuple[str, ...]]] = {
    "when_unreachable": ("closed", "open"),
    "when_customer_unknown": ("refuse", "pass"),
    "client_call_ids": ("refuse", "accept"),
    "hold_counts": ("tokens", "calls"),
    "other_calls": ("check", "refuse", "pass"),
}


class BadSettings(Exception):
    """Settings are missing or wrong; the message names each of them."""


@dataclass(frozen=True, slots=True)
class LoggerSettings:
    """How the logger works. Each is ``PANCAKE_METER_`` and its name in capitals in the environment.

    ``customer`` are kinds of identity in the order in which they are believed, in the words of the catalog's ``[litellm]
    customer``; give both the same. A hold is ``hold_units_max`` at most, and is gone after ``hold_ttl_seconds``.
    """

    url: str
    api_key: str
    meter: str
    customer: tuple[str, ...] = CUSTOMER
    when_unreachable: str = "closed"
    when_customer_unknown: str = "refuse"
    client_call_ids: str = "refuse"
    hold_counts: str = "tokens"
    other_calls: str = "check"
    output_tokens_default: int = 1024
    input_token_units: Decimal = Decimal(1)
    output_token_units: Decimal = Decimal(1)
    hold_units_max: int = 100_000
    hold_ttl_seconds: int = 600
    deadline_seconds: float = 1.5

    def __post_init__(self) -> None:
        """Refuse settings that nothing could work with."""
        faults = [f"{_variable(name)} is missing" for name in ("url", "api_key", "meter") if not getattr(self, name)]
        faults += [
            f"{_variable(name)} is one of {', '.join(choices)}"
            for name, choices in _CHOICES.items()
            if getattr(self, name) not in choices
        ]
        faults += [f"{_variable(name)} is more than 0" for name in _POSITIVE if not getattr(self, name) > 0]
        faults += [
            f"{_variable(name)} is at most {most}" for name, most in _AT_MOST.items() if getattr(self, name) > most
        ]
        if not self.customer or not all(_IDENTITY.fullmatch(kind) for kind in self.customer):
            faults.append(f"{_variable('customer')} names identities as the catalog does")
        if faults:
            raise BadSettings("pancake-meter: " + "; ".join(faults))

    @classmethod
    def from_environment(cls, environment: Mapping[str, str]) -> Self:
        """Read the settings.

        Raises:
            BadSettings: one is missing or wrong.
        """
        stated: dict[str, Any] = {"url": "", "api_key": "", "meter": ""}
        faults = []
        for setting in fields(cls):
            text = environment.get(_variable(setting.name), "").strip()
            if not text:
                continue
            try:
                stated[setting.name] = _READ.get(setting.name, str)(text)
            except (ValueError, InvalidOperation):
                faults.append(f"{_variable(setting.name)} is no such value: {text!r}")
        if faults:
            raise BadSettings("pancake-meter: " + "; ".join(faults))
        return cls(**stated)


def _variable(name: str) -> str:
    return PREFIX + name.upper()


def _names(text: str) -> tuple[str, ...]:
    return tuple(name.strip() for name in text.split(",") if name.strip())


def _number(text: str) -> Decimal:
    number = Decimal(text)
    if not number.is_finite():
        raise ValueError("not finite")
    return number


_READ: Final[Mapping[str, Callable[[str], Any]]] = {
    "customer": _names,
    "output_tokens_default": int,
    "input_token_units": _number,
    "output_token_units": _number,
    "hold_units_max": int,
    "hold_ttl_seconds": int,
    "deadline_seconds": lambda text: float(_number(text)),
}
_POSITIVE: Final = (
    "output_tokens_default",
    "input_token_units",
    "output_token_units",
    "hold_units_max",
    "hold_ttl_seconds",
    "deadline_seconds",
)
_AT_MOST: Final[Mapping[str, int]] = {"hold_units_max": 10**15, "hold_ttl_seconds": 86_400}
"""What the stack takes: it would refuse every hold with more."""
