"""The EventBridge bus that alerts are put on, for whoever builds on them in AWS."""

import json
import time
from collections.abc import Callable, Sequence
from functools import partial
from typing import TYPE_CHECKING, Final

from botocore.exceptions import BotoCoreError, ClientError

from pancake_meter.domain.alerts.alert import Alert
from pancake_meter.domain.alerts.payload import identified_payload
from pancake_meter.store.aws_session import aws_session
from pancake_meter.store.errors import StoreUnavailable
from pancake_meter.store.retrying import CLIENT_CONFIG, Retrier, passing_trouble

if TYPE_CHECKING:
    from mypy_boto3_events import EventBridgeClient
    from mypy_boto3_events.type_defs import PutEventsRequestEntryTypeDef

SOURCE: Final = "pancake-meter"
_ENTRIES_MAX: Final = 10


def events_client(endpoint_url: str | None = None) -> "EventBridgeClient":
    """Return a client that gives up early."""
    return aws_session().client("events", config=CLIENT_CONFIG, endpoint_url=endpoint_url)


class AlertBus:
    """One bus. An event may come twice, with the same id."""

    def __init__(self, client: "EventBridgeClient", name: str, *, sleep: Callable[[float], None] = time.sleep) -> None:
        """``name`` is the bus's name or ARN."""
        self._client = client
        self._name = name
        self._retrier = Retrier(sleep=sleep)

    def put(self, alerts: Sequence[Alert]) -> None:
        """Put alerts on the bus.

        Raises:
            StoreBusy, StoreUnavailable: some may not be on it; putting all of them again is safe.
        """
        for first in range(0, len(alerts), _ENTRIES_MAX):
            entries = [self._entry(alert) for alert in alerts[first : first + _ENTRIES_MAX]]
            self._retrier.call(partial(self._put, entries))

    def _put(self, entries: "list[PutEventsRequestEntryTypeDef]") -> None:
        try:
            answer = self._client.put_events(Entries=entries)
        except (BotoCoreError, ClientError) as error:
            raise passing_trouble(error) or error from error
        if answer["FailedEntryCount"]:
            raise StoreUnavailable(f"the bus did not take {answer['FailedEntryCount']} events")

    def _entry(self, alert: Alert) -> "PutEventsRequestEntryTypeDef":
        return {
            "EventBusName": self._name,
            "Source": SOURCE,
            "DetailType": alert.type,
            "Time": alert.occurred_at,
            "Detail": json.dumps(identified_payload(alert), ensure_ascii=False),
        }
