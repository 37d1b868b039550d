"""Model calls: whose they are, and which of them count."""

from datetime import UTC, datetime
from decimal import Decimal

import pytest

from pancake_meter.domain.usage.llm_call import LlmCall, LlmCallSettings
from pancake_meter.domain.usage.measuring import Happening, TokenPools
from pancake_meter.value import replace

AT = datetime(2026, 3, 10, tzinfo=UTC)


def call(*, is_success: bool = True, is_cache_hit: bool = False, **identities: str) -> LlmCall:
    return LlmCall("c1", AT, ("gpt-5",), TokenPools(Decimal(7)), identities, is_success, is_cache_hit)


def test_a_call_is_of_the_first_identity_that_is_believed_and_there() -> None:
    settings = LlmCallSettings(meters=("tokens",), customer=("end_user", "team"))
    assert settings.customer_of(call(team="t1", end_user="u1", key="k1").identities) == "u1"
    assert settings.customer_of(call(team="t1", end_user="").identities) == "t1"
    assert settings.customer_of(call(key="k1").identities) is None


@pytest.mark.parametrize("counts_failures", [False, True])
@pytest.mark.parametrize("counts_cache_hits", [False, True])
def test_failures_and_cache_hits_count_only_where_the_catalog_says_so(
    *, counts_failures: bool, counts_cache_hits: bool
) -> None:
    settings = LlmCallSettings(("tokens",), ("end_user",), counts_failures, counts_cache_hits)
    assert settings.counts(call())
    assert settings.counts(call(is_success=False)) is counts_failures
    assert settings.counts(call(is_cache_hit=True)) is counts_cache_hits
    assert settings.counts(call(is_success=False, is_cache_hit=True)) is (counts_failures and counts_cache_hits)


def test_by_itself_neither_counts() -> None:
    assert not LlmCallSettings(("tokens",), ()).counts(call(is_success=False))
    assert not LlmCallSettings(("tokens",), ()).counts(call(is_cache_hit=True))


def test_a_call_has_the_name_by_which_the_caller_knows_its_model() -> None:
    assert replace(call(), models=("azure/gpt-5", "gpt-5", "smart")).model == "smart"
    assert replace(call(), models=()).model is None


def test_meters_may_count_its_tokens_by_its_models() -> None:
    assert call().happening == Happening(tokens=TokenPools(Decimal(7)), models=("gpt-5",))
