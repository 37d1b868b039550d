"""What can go wrong between us and Waffo. Callers look at the class and its fields, never at the message.

WaffoError
├── InvalidKey                  our own configuration: a key that cannot be used
├── InvalidRequest              our own caller: a request beyond the documented bounds
├── WebhookRefused              a webhook request that must change nothing
│   ├── MissingSignature        401
│   ├── MalformedSignature      401
│   ├── StaleSignature          401
│   ├── SignatureMismatch       401
│   ├── WrongMode               403
│   ├── WrongStore              403
│   ├── BodyTooLarge            413 (unsigned; a signed one is kept)
│   └── MalformedEvent          signed: kept as failed
│       └── ObsoleteEventShape
└── WaffoApiError               an API call that did not succeed
    ├── WaffoUnavailable        passing trouble, safe to repeat under the same idempotency key
    ├── WaffoInFlight           the same idempotency key is still being worked on
    ├── WaffoRejected           a final no
    └── WaffoUnreadable         an answer that is not what the protocol promises

No message carries key material or a value out of a webhook body: messages end up in logs.
"""

from pancake_meter.value import Value


class WaffoError(Exception):
    """Base of everything this package raises on purpose."""


class InvalidKey(WaffoError):
    """A key cannot be used. ``name`` says which one, ``problem`` what is wrong with it."""

    def __init__(self, name: str, problem: str) -> None:
        """Keep the name and the problem."""
        super().__init__(f"{name} {problem}")
        self.name = name
        self.problem = problem


class InvalidRequest(WaffoError):
    """A request was not sent, because Waffo would refuse it. ``field`` is the wire name of the culprit."""

    def __init__(self, field: str, problem: str) -> None:
        """Keep the field and the problem."""
        super().__init__(f"{field} {problem}")
        self.field = field
        self.problem = problem


class WebhookRefused(WaffoError):
    """Base of every reason not to believe, or not to understand, a webhook request."""


class MissingSignature(WebhookRefused):
    """There is no X-Waffo-Signature header."""


class MalformedSignature(WebhookRefused):
    """The header is there but does not hold exactly one ``t`` and one ``v1`` of the right form."""


class StaleSignature(WebhookRefused):
    """The stamp lies outside the window of 45 minutes back and 1 minute ahead."""


class SignatureMismatch(WebhookRefused):
    """None of the accepted keys made this signature over these bytes."""


class WrongMode(WebhookRefused):
    """A test event at a prod stack, or the other way round."""


class WrongStore(WebhookRefused):
    """An event of a store that is not ours."""


class BodyTooLarge(WebhookRefused):
    """The body is larger than any delivery we could keep."""


class MalformedEvent(WebhookRefused):
    """A body that is not a Waffo event. ``field`` is the path of the culprit, ``problem`` what is wrong with it."""

    def __init__(self, field: str, problem: str) -> None:
        """Keep the field and the problem."""
        super().__init__(f"{field} {problem}")
        self.field = field
        self.problem = problem


class ObsoleteEventShape(MalformedEvent):
    """The ``{event, data}`` shape of old docs, whose amounts are minor units: to read it as today's shape is to sell
    for 100x.
    """

    def __init__(self) -> None:
        """Say so."""
        super().__init__("event", "is the shape of old docs ({event, data}), which carries minor units")


class Notice(Value):
    """One entry of an envelope's ``errors`` or ``warnings``; ``layer`` and ``ai_hint`` as sent, if sent."""

    message: str
    layer: str | None = None
    ai_hint: str | None = None


class WaffoApiError(WaffoError):
    """An API call did not succeed.

    ``operation`` is the path called; ``status`` the HTTP status, ``None`` when there was no answer; ``notices`` the
    envelope's errors, the root cause first (empty when there was no envelope).
    """

    def __init__(
        self, operation: str, problem: str, *, status: int | None = None, notices: tuple[Notice, ...] = ()
    ) -> None:
        """Keep what is known of the failure."""
        super().__init__(f"{operation}: {problem}")
        self.operation = operation
        self.status = status
        self.notices = notices

    @property
    def layer(self) -> str | None:
        """The stage of Waffo that the root cause names."""
        return self.notices[0].layer if self.notices else None

    @property
    def ai_hint(self) -> str | None:
        """The machine-readable hint of the root cause."""
        return self.notices[0].ai_hint if self.notices else None


class WaffoUnavailable(WaffoApiError):
    """No answer, too slow an answer, 429 or 5xx. The call may or may not have taken effect."""


class WaffoInFlight(WaffoApiError):
    """409: a request with the same idempotency key has not ended yet."""


class WaffoRejected(WaffoApiError):
    """Waffo said no, and would say it again: a 4xx, a 501, or a 2xx that carries errors or no data."""


class WaffoUnreadable(WaffoApiError):
    """The answer is not JSON, is too large, or lacks a promised field. The call may have taken effect."""
