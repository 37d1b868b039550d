"""Which of a payment's refunds an event is about, and whether its money went back (point 9 of the core's second review)."""

from datetime import UTC, datetime, timedelta
from decimal import Decimal
from itertools import product

import pytest

from pancake_meter.domain.selling.refund import NO_MARKS, Refund, RefundMarks, Relation, find_refund
from pancake_meter.value import replace

DAY = datetime(2026, 3, 10, tzinfo=UTC)
NOON, EVENING = DAY.replace(hour=12), DAY.replace(hour=18)
NEXT_DAY = DAY + timedelta(days=1)
MS = timedelta(milliseconds=1)


def marks(
    event_id: str | None = None, ticket: str | None = None, made_at: datetime | None = None, *, is_day: bool = False
) -> RefundMarks:
    return RefundMarks(event_id, ticket, made_at, is_day)


def done(told: RefundMarks = NO_MARKS, amount: int | None = 10, at: datetime = NOON, name: str = "r1") -> Refund:
    return Refund(name, Decimal(amount) if amount else None, None, at, told, succeeded_at=at)


def failed(told: RefundMarks = NO_MARKS, amount: int | None = None, at: datetime = EVENING, name: str = "r2") -> Refund:
    return Refund(name, Decimal(amount) if amount else None, None, at, told, failed_at=at)


SUCCESSES: dict[str, tuple[Refund, Refund, Relation]] = {
    "another event": (done(marks("a")), done(marks("b")), "other"),
    "another ticket": (done(marks(ticket="a")), done(marks(ticket="b")), "other"),
    "another instant": (done(marks(made_at=NOON)), done(marks(made_at=NOON + MS)), "other"),
    "another day": (done(marks(made_at=DAY, is_day=True)), done(marks(made_at=NEXT_DAY, is_day=True)), "other"),
    "an instant of another day": (done(marks(made_at=DAY, is_day=True)), done(marks(made_at=NEXT_DAY)), "other"),
    "another amount": (done(amount=10), done(amount=11), "other"),
    "another ticket beside one event": (done(marks("a", "t1")), done(marks("a", "t2")), "other"),
    "one event": (done(marks("a")), done(marks("a"), at=EVENING), "same"),
    "one instant": (done(marks(made_at=NOON)), done(marks(made_at=NOON), at=EVENING), "same"),
    "one time of the events": (done(), done(), "same"),
    "one time, an amount not said": (done(), done(amount=None), "same"),
    "one ticket alone": (done(marks(ticket="a")), done(marks(ticket="a"), at=EVENING), "unclear"),
    "one day": (done(marks(made_at=DAY, is_day=True)), done(marks(made_at=DAY, is_day=True), at=EVENING), "unclear"),
    "a day and an instant of it": (
        done(marks(made_at=DAY, is_day=True)),
        done(marks(made_at=NOON), at=EVENING),
        "unclear",
    ),
    "nothing said": (done(), done(at=EVENING), "unclear"),
}

FAILURES: dict[str, tuple[Refund, Refund, Relation]] = {
    "one event, whatever else": (failed(marks("a", "t1"), amount=3), done(marks("a", "t2")), "same"),
    "another refund's id": (failed(marks("REF_1")), done(marks("RFD_2")), "other"),
    "an id of its own beside a refund's": (failed(marks("EVT_1", "t1")), done(marks("REF_2", "t1")), "same"),
    "another ticket": (failed(marks(ticket="a")), done(marks(ticket="b")), "other"),
    "another amount": (failed(amount=3), done(amount=10), "other"),
    "one ticket": (failed(marks(ticket="a")), done(marks(ticket="a")), "same"),
    "one ticket, another day": (
        failed(marks(ticket="a", made_at=NEXT_DAY)),
        done(marks(ticket="a", made_at=DAY)),
        "same",
    ),
    "another instant": (failed(marks(made_at=NOON)), done(marks(made_at=EVENING)), "other"),
    "one instant": (failed(marks(made_at=NOON)), done(marks(made_at=NOON)), "same"),
    "one instant, another id of the event": (
        failed(marks("EVT_1", made_at=NOON)),
        done(marks("REF_2", made_at=NOON)),
        "same",
    ),
    "one day": (failed(marks(made_at=DAY, is_day=True)), done(marks(made_at=DAY, is_day=True)), "unclear"),
    "nothing said": (failed(), done(), "unclear"),
    "two failures of which nothing is said": (failed(), failed(at=NEXT_DAY), "same"),
}


@pytest.mark.parametrize(("one", "other", "relation"), SUCCESSES.values(), ids=SUCCESSES)
def test_point_9_two_refunds_that_succeeded_are_two_when_anything_tells_them_apart(
    one: Refund, other: Refund, relation: Relation
) -> None:
    assert (one.relation(other), other.relation(one)) == (relation, relation)


@pytest.mark.parametrize(("one", "other", "relation"), FAILURES.values(), ids=FAILURES)
def test_point_9_a_failure_belongs_to_the_success_with_its_event_its_ticket_or_its_instant(
    one: Refund, other: Refund, relation: Relation
) -> None:
    assert (one.relation(other), other.relation(one)) == (relation, relation)


@pytest.mark.parametrize(
    ("fails_at", "stands"), [(None, True), (NOON - MS, True), (NOON, True), (NOON + MS, False), (EVENING, False)]
)
def test_point_9_the_last_word_stands_and_of_two_at_one_instant_the_success(
    fails_at: datetime | None, *, stands: bool
) -> None:
    assert replace(done(), failed_at=fails_at).stands is stands
    if fails_at:
        told = failed(at=fails_at), done()
        assert {told[0].join(told[1]).stands, told[1].join(told[0]).stands} == {stands}


def test_a_refund_that_only_failed_does_not_stand() -> None:
    assert (failed().stands, failed().done_at) == (False, None)


def test_a_refund_kept_without_the_time_of_its_success_was_done_when_it_was_told() -> None:
    old = Refund("r1", Decimal(10), None, NOON)
    assert (old.done_at, old.stands) == (NOON, True)


def test_two_words_on_one_refund_are_joined_alike_in_any_order() -> None:
    success = replace(done(marks("a", made_at=DAY, is_day=True), amount=None, at=EVENING), of=Decimal(30))
    failure = failed(marks(ticket="t1", made_at=NOON), amount=10, at=NEXT_DAY, name="r0")
    one, other = success.join(failure), failure.join(success)
    assert one == other
    assert one == Refund("r1", Decimal(10), Decimal(30), EVENING, marks("a", "t1", NOON), EVENING, NEXT_DAY)


def test_of_two_successes_the_first_telling_names_the_refund_and_its_month() -> None:
    joined = done(name="r2", at=NOON, amount=7).join(done(name="r1", at=EVENING, amount=8))
    assert (joined.id, joined.at, joined.amount, joined.succeeded_at) == ("r1", NOON, 8, EVENING)
    assert done(name="r1").join(done(name="r2", at=EVENING)).succeeded_at == EVENING
    twice = failed(at=EVENING).join(failed(at=NEXT_DAY))
    assert (twice.at, twice.failed_at) == (EVENING, NEXT_DAY)


def test_what_only_the_second_word_says_is_known_too_and_what_only_the_first_says_stays() -> None:
    first = replace(done(name="r1"), failed_at=NEXT_DAY)
    second = replace(failed(amount=4, name="r2"), of=Decimal(30))
    for joined in (first.join(second), second.join(first)):
        assert (joined.of, joined.amount, joined.failed_at, joined.succeeded_at) == (30, 10, NEXT_DAY, NOON)


def test_every_word_makes_the_rank_of_a_refund_grow() -> None:
    assert done().rank == int(NOON.timestamp() * 1000)
    assert replace(done(), failed_at=EVENING).rank == int(NOON.timestamp() * 1000) + int(EVENING.timestamp() * 1000)


MARKED = [NO_MARKS, marks("a"), marks(ticket="t"), marks(made_at=NOON), marks(made_at=DAY, is_day=True)]


@pytest.mark.parametrize(("one", "other"), list(product(MARKED, MARKED)))
def test_marks_together_say_what_either_says(one: RefundMarks, other: RefundMarks) -> None:
    both = one.plus(other)
    assert both.event_id == ("a" if "a" in (one.event_id, other.event_id) else None)
    assert both.ticket == ("t" if "t" in (one.ticket, other.ticket) else None)
    said = {each.made_at: each for each in (one, other) if each.made_at}
    finest = said.get(NOON) or said.get(DAY)
    assert (both.made_at, both.is_day) == ((finest.made_at, finest.is_day) if finest else (None, False))


# The refund that an event is about


def test_a_refund_like_none_that_is_known_is_new() -> None:
    assert find_refund(done(), []) is None
    assert find_refund(done(marks("a")), [done(marks("b")), done(marks("c"))]) is None


def test_a_refund_that_is_known_is_found_among_others() -> None:
    known = done(marks("a", "t1"))
    assert find_refund(done(marks("a")), [done(marks("b")), known, failed(marks("c"), amount=3)]) == known


def test_a_failure_whose_event_has_an_id_of_its_own_finds_its_success() -> None:
    success = done(marks("REF_2", "t1"))
    assert find_refund(failed(marks("EVT_1", "t1")), [success]) == success


def test_a_success_is_found_before_a_failure_of_the_same() -> None:
    success, failure = done(marks(ticket="t1")), failed(marks(ticket="t1"))
    assert find_refund(failed(marks(ticket="t1"), at=NEXT_DAY), [failure, success]) == success


def test_of_several_the_one_is_found_from_which_nothing_tells_it_apart() -> None:
    one, other = done(marks("REF_1", "t1"), name="r1"), done(marks("REF_2", "t1", NOON), name="r2")
    told = failed(marks(ticket="t1", made_at=EVENING), at=NEXT_DAY)
    assert find_refund(told, [one, other]) == one
    assert find_refund(failed(marks(ticket="t1"), at=NEXT_DAY), [one, other]) == "unclear"


@pytest.mark.parametrize(
    ("told", "known", "found"),
    [
        (done(at=EVENING), done(at=NOON), "unclear"),
        (failed(at=EVENING), done(at=NOON), "unclear"),
        (failed(at=NOON - MS), done(at=NOON), None),
        (failed(at=NOON), done(at=NOON), None),
        (done(at=NOON), failed(at=NOON + MS), "unclear"),
        (done(at=EVENING), failed(at=NOON), None),
    ],
)
def test_point_9_what_nobody_can_tell_apart_is_shown_only_where_it_changes_something(
    told: Refund, known: Refund, found: str | None
) -> None:
    assert find_refund(told, [known]) == found
