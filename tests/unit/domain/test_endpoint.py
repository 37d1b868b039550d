"""Endpoints: which alerts one takes, which secrets sign, and which URLs alerts are sent to."""

from datetime import UTC, datetime, timedelta

import pytest

from pancake_meter.domain.alerts.alert import Alert
from pancake_meter.domain.alerts.endpoint import (
    Endpoint,
    InvalidEndpointUrl,
    SigningSecret,
    TooManySecrets,
    check_endpoint_url,
    is_endpoint_id,
)
from pancake_meter.value import replace

NOW = datetime(2026, 3, 10, 12, tzinfo=UTC)
HOUR, A_MOMENT = timedelta(hours=1), timedelta.resolution
FIRST, SECOND, THIRD, FOURTH = (SigningSecret("k1", salt) for salt in "abcd")
ID = "aep_" + "0123456789abcdef01234567"
ENDPOINT = Endpoint(ID, "https://a.example/hook", ("quota.reset",), "mail", (FIRST,), NOW)
RESET = Alert("m", "quota.reset", "ada", "tokens", NOW)
TEST = replace(RESET, type="endpoint.test", data={"endpoint_id": ID})


def test_an_endpoint_takes_the_alerts_of_its_filter_and_without_a_filter_all() -> None:
    assert ENDPOINT.takes(RESET)
    assert not ENDPOINT.takes(replace(RESET, type="quota.refused"))
    assert replace(ENDPOINT, events=()).takes(replace(RESET, type="quota.refused"))


def test_a_test_is_for_the_endpoint_that_it_names_whatever_the_filter() -> None:
    assert ENDPOINT.takes(TEST)
    assert not replace(ENDPOINT, id="aep_other", events=()).takes(TEST)


def test_an_endpoint_is_disabled_once_for_the_first_reason_and_enabled_again_as_it_was() -> None:
    gone = ENDPOINT.disabled(NOW, "gone")
    assert (ENDPOINT.is_enabled, gone.is_enabled) == (True, False)
    assert gone == replace(ENDPOINT, disabled_at=NOW, disabled_because="gone")
    assert gone.disabled(NOW + HOUR, "operator") == gone
    assert gone.enabled() == ENDPOINT


def test_a_secret_signs_until_the_instant_of_its_end() -> None:
    ending = replace(FIRST, until=NOW)
    assert FIRST.signs_at(NOW)
    assert ending.signs_at(NOW - A_MOMENT)
    assert not ending.signs_at(NOW)
    assert replace(ENDPOINT, secrets=(SECOND, ending)).signing_at(NOW) == (SECOND,)
    assert replace(ENDPOINT, secrets=(SECOND, ending)).signing_at(NOW - A_MOMENT) == (SECOND, ending)


def test_a_new_secret_signs_beside_the_earlier_ones_until_each_overlap_is_over() -> None:
    once = ENDPOINT.rotated(SECOND, NOW, 2 * HOUR)
    assert once == replace(ENDPOINT, secrets=(SECOND, replace(FIRST, until=NOW + 2 * HOUR)))
    twice = once.rotated(THIRD, NOW + HOUR, 3 * HOUR)
    assert twice.secrets == (THIRD, replace(SECOND, until=NOW + 4 * HOUR), replace(FIRST, until=NOW + 2 * HOUR))
    with pytest.raises(TooManySecrets) as refused:
        twice.rotated(FOURTH, NOW + HOUR, HOUR)
    # The next rotation is possible as soon as the first of the earlier ones ends: what is rotated now would end later
    assert refused.value.details == {"ends_at": "2026-03-10T14:00:00.000Z"}
    later = twice.rotated(FOURTH, NOW + 2 * HOUR, HOUR)
    assert later.secrets == (FOURTH, replace(THIRD, until=NOW + 3 * HOUR), replace(SECOND, until=NOW + 4 * HOUR))


def test_a_rotation_without_an_overlap_ends_every_earlier_secret() -> None:
    many = ENDPOINT.rotated(SECOND, NOW, HOUR).rotated(THIRD, NOW, HOUR)
    assert many.rotated(FOURTH, NOW, timedelta()).secrets == (FOURTH,)


@pytest.mark.parametrize(
    ("text", "may_be_one"),
    [(ID, True), (ID[:-1], False), (ID + "0", False), (ID.upper(), False), ("", False), (f"{ID}\n", False)],
)
def test_only_what_looks_like_an_id_of_an_endpoint_is_looked_up(text: str, *, may_be_one: bool) -> None:
    assert is_endpoint_id(text) == may_be_one


LONGEST = "https://a.example/" + "x" * (2048 - len("https://a.example/"))


@pytest.mark.parametrize(
    "url",
    ["https://a.example", "https://a.example:8443/hook?a=b", "https://a.example:1/", "HTTPS://A.EXAMPLE/", LONGEST],
)
@pytest.mark.parametrize("is_local", [True, False])
def test_alerts_are_sent_to_https_urls(url: str, *, is_local: bool) -> None:
    assert check_endpoint_url(url, is_local=is_local).geturl().lower() == url.lower()


@pytest.mark.parametrize(
    "url",
    [
        *("http://a.example/", "ftp://a.example/", "a.example/hook", "https:///hook", "https://"),
        *("https://a.example:0/", "https://a.example:99999/", "https://[::1/", "https://a.example:x/"),
        *("https://u:p@a.example/", "https://u@a.example/", "https://a.example/#part", "https://a.example/#"),
        *(LONGEST + "x", "https://a.example/\u00e9", "https://a.example/\x7f", "https://a.example/\n", ""),
        *(f"https://a.example/{character}" for character in ' \\"<>^`{|}'),
    ],
)
@pytest.mark.parametrize("is_local", [True, False])
def test_alerts_are_sent_to_no_other_url(url: str, *, is_local: bool) -> None:
    with pytest.raises(InvalidEndpointUrl):
        check_endpoint_url(url, is_local=is_local)


def test_plain_http_is_for_a_stack_on_this_very_machine() -> None:
    assert check_endpoint_url("http://localhost:3000/hook", is_local=True).port == 3000
    with pytest.raises(InvalidEndpointUrl):
        check_endpoint_url("http://localhost:3000/hook", is_local=False)
    with pytest.raises(InvalidEndpointUrl):
        check_endpoint_url("http://localhost:3000/hook#part", is_local=True)
    # A loopback https URL is https
    assert check_endpoint_url("https://localhost/hook", is_local=True).hostname == "localhost"
