"""Secrets of Secrets Manager: each is kept for five minutes, and longer while it cannot be read anew."""

import time
from collections.abc import Callable
from functools import cache
from typing import TYPE_CHECKING, Final

from botocore.exceptions import BotoCoreError, ClientError

from pancake_meter.store.aws_session import aws_session
from pancake_meter.store.errors import StoreError
from pancake_meter.store.retrying import CLIENT_CONFIG, Retrier, passing_trouble

if TYPE_CHECKING:
    from mypy_boto3_secretsmanager import SecretsManagerClient

AGE_SECONDS: Final = 300.0
FAILURE_SECONDS: Final = 10.0
"""How long a failure is remembered: requests do not each wait for a Secrets Manager that hangs."""

_ATTEMPTS_MAX: Final = 2


class SecretUnavailable(StoreError):
    """The secret cannot be read or used. The message has its name and the reason, and never its text."""


class Secret:
    """One secret's text. Calling it returns the text, without white space around it."""

    def __init__(
        self,
        secret_id: str,
        *,
        client: "Callable[[], SecretsManagerClient] | None" = None,
        stopwatch: Callable[[], float] = time.monotonic,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        """Prepare; nothing is read before the first call."""
        self.id = secret_id
        self._client = client or _production_client
        self._stopwatch = stopwatch
        self._retrier = Retrier(attempts_max=_ATTEMPTS_MAX, sleep=sleep)
        self._text: str | None = None
        self._fresh_until = 0.0
        self._failure: SecretUnavailable | None = None
        self._failed_until = 0.0

    def __call__(self) -> str:
        """Return the text, at most five minutes old, or older while it cannot be read anew.

        Raises:
            SecretUnavailable: it was never read, and cannot be read now.
        """
        now = self._stopwatch()
        if self._text is not None and now < self._fresh_until:
            return self._text
        if self._failure is None or now >= self._failed_until:
            self._read()
        if self._text is not None:
            return self._text
        raise self._failure or SecretUnavailable(f"secret {self.id}: not read")

    def renew(self) -> bool:
        """Read the text anew, at once; return whether it has changed."""
        before = self._text
        self._read()
        return self._text != before

    def _read(self) -> None:
        try:
            self._text = self._retrier.call(self._ask)
        except StoreError as trouble:
            self._failure = SecretUnavailable(f"secret {self.id}: {trouble}")
            self._failed_until = self._stopwatch() + FAILURE_SECONDS
        else:
            self._failure = None
            self._fresh_until = self._stopwatch() + AGE_SECONDS

    def _ask(self) -> str:
        try:
            answer = self._client().get_secret_value(SecretId=self.id)
        except ClientError as error:
            # Any code is trouble with this secret alone, also a missing policy: callers that need no secret are answered.
            raise passing_trouble(error) or SecretUnavailable(error.response["Error"].get("Code", "")) from error
        except BotoCoreError as error:
            raise passing_trouble(error) or SecretUnavailable(type(error).__name__) from error
        text = answer.get("SecretString", "").strip()
        if not text:
            raise SecretUnavailable("it has no text")
        return text


@cache
def _production_client() -> "SecretsManagerClient":
    return aws_session().client("secretsmanager", config=CLIENT_CONFIG)
