"""Endpoints: addresses of the seller that alerts are sent to, each with its filter and the secrets that sign."""

import re
from datetime import datetime, timedelta
from typing import ClassVar, Final, Literal, Self
from urllib.parse import SplitResult, urlsplit

from pancake_meter.domain.alerts.alert import Alert, AlertType
from pancake_meter.domain.errors import DomainError
from pancake_meter.domain.instant import timestamp
from pancake_meter.domain.selling.loopback import URL_LENGTH_MAX, is_loopback_url
from pancake_meter.value import Value, replace

ENDPOINTS_MAX: Final = 20
"""Endpoints of a stack: each alert is a message for each of them."""

SECRETS_MAX: Final = 3
"""Secrets that sign at the same time: a request has a signature of each."""

OVERLAP_MAX: Final = timedelta(days=7)
DESCRIPTION_LENGTH_MAX: Final = 200
ENDPOINT_ID_PATTERN: Final = r"^aep_[0-9a-f]{24}$"
TEST: Final[AlertType] = "endpoint.test"

_ID: Final = re.compile(ENDPOINT_ID_PATTERN[1:-1])
_ENDPOINT: Final = "endpoint_id"

DisabledBecause = Literal["operator", "gone"]
"""Who ended it: a person, or the endpoint itself, which answered 410."""


class InvalidEndpointUrl(DomainError):
    """Alerts cannot be sent to the URL: it is not https, not on the public internet, or unknown to DNS."""

    code: ClassVar[str] = "invalid_endpoint_url"


class EndpointNotFound(DomainError):
    """No endpoint has that id."""

    code: ClassVar[str] = "endpoint_not_found"


class EndpointDisabled(DomainError):
    """The endpoint gets no alerts until it is enabled."""

    code: ClassVar[str] = "endpoint_disabled"


class TooManyEndpoints(DomainError):
    """The stack has as many endpoints as it can."""

    code: ClassVar[str] = "too_many_endpoints"


class TooManySecrets(DomainError):
    """As many secrets of the endpoint sign as can: one has to end before there is another."""

    code: ClassVar[str] = "too_many_secrets"


class SigningSecret(Value):
    """What a secret is made of, with the stack's key ``kid``: it is never kept itself. It signs until ``until``."""

    kid: str
    salt: str
    until: datetime | None = None

    def signs_at(self, now: datetime) -> bool:
        """Whether requests are signed with it."""
        return self.until is None or self.until > now


class Endpoint(Value):
    """One endpoint. It gets the alerts whose types are in ``events``, or all of them where that is empty.

    ``secrets`` has the current one first. ``version`` counts changes, ``changed_by`` names the
    API key that made the latest, where one did.
    """

    id: str
    url: str
    events: tuple[AlertType, ...]
    description: str | None
    secrets: tuple[SigningSecret, ...]
    created_at: datetime
    version: int = 1
    disabled_at: datetime | None = None
    disabled_because: DisabledBecause | None = None
    changed_by: str | None = None

    @property
    def is_enabled(self) -> bool:
        """Whether alerts are sent to it."""
        return self.disabled_at is None

    def takes(self, alert: Alert) -> bool:
        """Whether an alert is for it. A test is for the endpoint that it names, whatever the filter."""
        if alert.type == TEST:
            return alert.data.get(_ENDPOINT) == self.id
        return not self.events or alert.type in self.events

    def signing_at(self, now: datetime) -> tuple[SigningSecret, ...]:
        """Return the secrets that sign, the current one first."""
        return tuple(secret for secret in self.secrets if secret.signs_at(now))

    def disabled(self, now: datetime, because: DisabledBecause) -> Self:
        """Return the endpoint without its alerts."""
        return self if not self.is_enabled else replace(self, disabled_at=now, disabled_because=because)

    def enabled(self) -> Self:
        """Return the endpoint with its alerts from now on."""
        return replace(self, disabled_at=None, disabled_because=None)

    def rotated(self, secret: SigningSecret, now: datetime, overlap: timedelta) -> Self:
        """Return the endpoint with a new secret; the one before signs too until the overlap is over.

        Raises:
            TooManySecrets: as many sign already.
        """
        before, *older = self.signing_at(now)
        # Whoever rotates without an overlap wants no earlier secret to be good.
        kept = (replace(before, until=now + overlap), *older) if overlap else ()
        if len(kept) >= SECRETS_MAX:
            ends = min(each.until for each in kept if each.until is not None)
            raise TooManySecrets(
                "earlier secrets of the endpoint still sign: wait for the end of one, or rotate with overlap_seconds 0",
                ends_at=timestamp(ends),
            )
        return replace(self, secrets=(secret, *kept))


def is_endpoint_id(text: str) -> bool:
    """Whether a text may be the id of an endpoint."""
    return _ID.fullmatch(text) is not None


def check_endpoint_url(url: str, *, is_local: bool) -> SplitResult:
    """Return the parts of a URL that alerts may be sent to, as far as its text tells.

    Plain http is for this very machine, and only where the stack runs on it.

    Raises:
        InvalidEndpointUrl: they may not.
    """
    is_plain = len(url) <= URL_LENGTH_MAX and url.isascii() and url.isprintable() and not set(url) & set(' \\"<>^`{|}')
    if not is_plain:
        raise InvalidEndpointUrl(f"a URL has at most {URL_LENGTH_MAX} plain characters")
    try:
        parts = urlsplit(url)
        has_port = parts.port is None or parts.port > 0
    except ValueError as error:
        raise InvalidEndpointUrl("this is no URL") from error
    if "@" in parts.netloc or "#" in url:
        raise InvalidEndpointUrl("the URL has a user, a password or a fragment: none of them is sent")
    if is_local and is_loopback_url(url):
        return parts
    if parts.scheme != "https" or not parts.hostname or not has_port:
        raise InvalidEndpointUrl("alerts are sent to https URLs")
    return parts
