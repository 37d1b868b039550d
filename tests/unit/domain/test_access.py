"""Which meters of a customer the operator has cut off (issue 14, point 2)."""

from pancake_meter.domain.standing.access import Access


def test_a_meter_that_was_opened_alone_stays_open_and_one_that_was_not_used_yet_is_cut_off_with_the_rest() -> None:
    access = Access({"tokens": None, "requests": "fraud"}, otherwise="fraud")
    assert [access.blocked(meter) for meter in ("tokens", "requests", "agent_runs")] == [None, "fraud", "fraud"]


def test_some_meters_are_cut_off_together_only_if_each_of_them_is() -> None:
    access = Access({"tokens": "late", "requests": None})
    assert access.all_blocked(["tokens"]) == "late"
    assert access.all_blocked(["requests", "tokens"]) is None
    assert access.all_blocked(["tokens", "agent_runs"]) is None
    assert access.all_blocked([]) is None
