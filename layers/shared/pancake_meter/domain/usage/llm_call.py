"""A model call, as a gateway tells of it after it ended."""

from collections.abc import Mapping
from datetime import datetime
from typing import Literal

from pancake_meter.domain.balance.hold import CustomerHold
from pancake_meter.domain.usage.measuring import Happening, TokenPools
from pancake_meter.value import Value


class LlmCall(Value):
    """``id`` is made once per call: it dedupes. ``identities`` are what the gateway knows of the caller, by kind.

    ``hold`` reserved units for the call, under the call's own id.
    """

    id: str
    ended_at: datetime
    models: tuple[str, ...]
    tokens: TokenPools
    identities: Mapping[str, str]
    is_success: bool
    is_cache_hit: bool
    hold: CustomerHold | None = None

    @property
    def model(self) -> str | None:
        """The name under which the caller knows the model: its public alias, else its own name without the provider."""
        return self.models[-1] if self.models else None

    @property
    def happening(self) -> Happening:
        """What meters may count of it."""
        return Happening(tokens=self.tokens, models=self.models)


MissedCalls = Literal["report", "record"]
"""What becomes of calls that the gateway's own log has and nobody told us of."""


class LlmCallSettings(Value):
    """The catalog's ``[litellm]``: which meters a call feeds, whose call it is, and which calls count.

    ``customer`` are the kinds of identity in the order in which they are believed.
    """

    meters: tuple[str, ...]
    customer: tuple[str, ...]
    counts_failures: bool = False
    counts_cache_hits: bool = False
    missed: MissedCalls = "report"

    def customer_of(self, identities: Mapping[str, str]) -> str | None:
        """Return the first identity, by kind, that is trusted to name the customer."""
        return next((identities[kind] for kind in self.customer if identities.get(kind)), None)

    def counts(self, call: LlmCall) -> bool:
        """Say whether the call is to be counted at all."""
        return (call.is_success or self.counts_failures) and (not call.is_cache_hit or self.counts_cache_hits)
