"""Issue 13, point 8: purchase links show nothing of their customer, end by themselves, and are revoked by their secret."""

import base64
from datetime import timedelta

import pytest
from itsdangerous import URLSafeSerializer

from pancake_meter.usecases.selling.purchase_link import (
    LINK_LIFETIME,
    ExpiredLink,
    InvalidLink,
    PurchaseLink,
    UnusableLinkSecret,
    make_link,
    paid_token,
    read_link,
    read_paid_token,
)
from tests.support.webhook_world import utc

NOW = utc("2026-03-10T15:20:00")
OLD, NEW, OTHER = ("old-" * 8, "new-" * 8, "other-" * 6)
BASE = "https://api.example.com"
LINK = PurchaseLink("ada@example.com", "top_up", "tokens")


def token(secrets: str, link: PurchaseLink = LINK) -> str:
    return make_link(secrets, BASE, link, NOW).removeprefix(f"{BASE}/buy/")


def first_format(secret: str, link: PurchaseLink = LINK) -> str:
    """A token as earlier versions made it."""
    expires_at = int((NOW + LINK_LIFETIME).timestamp())
    serializer = URLSafeSerializer(secret, salt="pancake-meter purchase link, version 1")
    return str(serializer.dumps([link.customer_id, link.kind, link.meter, expires_at]))


@pytest.mark.parametrize("customer_id", ["ada@example.com", "acct_1001", "Ж-1", "a" * 128])
def test_a_token_shows_nothing_of_its_customer(customer_id: str) -> None:
    made = token(OLD, PurchaseLink(customer_id, "top_up", "tokens"))
    raw = base64.urlsafe_b64decode(made + "=" * (-len(made) % 4))
    for shown in (made.encode(), raw):
        assert customer_id.encode() not in shown
        assert b"tokens" not in shown
    assert read_link(OLD, made, NOW).customer_id == customer_id


def test_a_token_is_one_segment_of_a_path() -> None:
    assert token(OLD).replace("-", "").replace("_", "").isalnum()
    assert len(token(OLD, PurchaseLink("€" * 128, "overage", "m" * 32))) < 2_000


def test_a_rotated_secret_opens_the_links_that_are_out_while_it_is_kept() -> None:
    out = token(OLD)
    assert read_link(f"{NEW}\n{OLD}\n", out, NOW) == LINK
    assert read_link(f"{NEW}\n", token(f"{NEW}\n{OLD}"), NOW) == LINK


@pytest.mark.parametrize("secrets", [NEW, f"{NEW}\n{OTHER}"])
def test_links_are_revoked_by_taking_their_secret_away(secrets: str) -> None:
    for out in (token(OLD), first_format(OLD)):
        with pytest.raises(InvalidLink):
            read_link(secrets, out, NOW)


def test_a_link_of_an_earlier_version_works_for_its_life_and_through_a_rotation() -> None:
    out = first_format(f"{OLD} with spaces")
    for secrets in (f"{OLD} with spaces", f"{NEW}\n{OLD} with spaces"):
        assert read_link(secrets, out, NOW + LINK_LIFETIME - timedelta(seconds=1)) == LINK
    with pytest.raises(ExpiredLink):
        read_link(f"{OLD} with spaces", out, NOW + LINK_LIFETIME)


@pytest.mark.parametrize("nonsense", ["", "x", "gAAAAA", "a.b", "é", "A" * 5000, "=" * 8, "."])
def test_what_we_did_not_seal_opens_nothing(nonsense: str) -> None:
    with pytest.raises(InvalidLink):
        read_link(OLD, nonsense, NOW)


def test_without_a_secret_that_cannot_be_guessed_there_are_no_links() -> None:
    for secrets in ("", " \n ", "short", f"{NEW}\nshort", "a" * 31):
        with pytest.raises(ValueError, match="secret"):
            token(secrets)
        for out in (token(OLD), first_format(OLD)):
            with pytest.raises(UnusableLinkSecret):
                read_link(secrets, out, NOW)


def test_issue_16_point_1_the_token_of_a_payment_s_page_is_the_same_each_time_and_names_its_checkout_alone() -> None:
    made = paid_token(OLD, "chk_1")
    assert made == paid_token(OLD, "chk_1"), "Waffo is sent the same address when a request is repeated"
    assert read_paid_token(f"{NEW}\n{OLD}", made) == "chk_1", "a rotated secret still opens it"
    for wrong in (made.replace("chk_1", "chk_2"), f"{made}A", "chk_1", "chk_1.", "", made.replace("chk", "ch\u212a")):
        with pytest.raises(InvalidLink):
            read_paid_token(OLD, wrong)
    with pytest.raises(InvalidLink):
        read_paid_token(OTHER, made)


def test_issue_16_point_1_neither_token_opens_the_other_page() -> None:
    with pytest.raises(InvalidLink):
        read_link(OLD, paid_token(OLD, "chk_1"), NOW)
    with pytest.raises(InvalidLink):
        read_paid_token(OLD, token(OLD))
