"""What is held for calls in flight is remembered once each, and never for too many."""

from pancake_meter_client.gateway.held_calls import HeldCall, HeldCalls


def test_a_hold_is_taken_once() -> None:
    calls = HeldCalls()
    calls.add("call-1", HeldCall("cust_1", "tokens", "h1"))
    assert "call-1" in calls
    assert calls.take("call-1") == HeldCall("cust_1", "tokens", "h1")
    assert calls.take("call-1") is None


def test_the_oldest_is_forgotten_where_there_are_too_many() -> None:
    calls = HeldCalls(calls_max=2)
    for number in range(3):
        calls.add(f"call-{number}", HeldCall("cust_1", "tokens", f"h{number}"))
    assert ("call-0" in calls, "call-1" in calls, "call-2" in calls, len(calls)) == (False, True, True, 2)
