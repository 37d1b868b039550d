"""Customer tokens: what one opens, and until when."""

from datetime import UTC, datetime, timedelta

from pancake_meter.domain.access.customer_token import CustomerToken

NOW = datetime(2026, 3, 10, 12, tzinfo=UTC)


def test_a_token_opens_the_routes_of_its_scopes_to_the_moment_before_its_end() -> None:
    token = CustomerToken("acct_1001", frozenset({"read", "buy"}), NOW, "token-1")
    before = NOW - timedelta.resolution
    assert [token.refusal_at(scope, before) for scope in ("read", "buy", "hold", None)] == [
        None,
        None,
        "no_scope",
        "no_scope",
    ]
    assert (token.refusal_at("read", NOW), token.refusal_at("hold", NOW)) == ("expired", "expired")
