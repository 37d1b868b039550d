"""Issue 16, point 2: what usage was made of, where known. The rules that add models and sources up."""

from datetime import UTC, datetime, timedelta
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pancake_meter.domain.usage.made_of import (
    NAMES_MAX,
    NAMES_OF_WRITE_MAX,
    NOTHING_KNOWN,
    MadeOf,
    Parts,
    made_of_days,
)
from pancake_meter.domain.usage.usage_event import ORIGIN_LENGTH_MAX, UsageEvent, origin_name, usage_event
from pancake_meter.value import replace

NOW = datetime(2026, 3, 10, 15, tzinfo=UTC)

NAMES = st.integers(0, 60).map(lambda number: f"model-{number}")
UNITS = st.integers(1, 10**9).map(Decimal)


def event(number: int, units: int, model: str | None, source: str | None, days: int = 0) -> UsageEvent:
    return usage_event(f"e{number}", Decimal(units), NOW - timedelta(days=days), NOW).made_of(model, source)


@given(st.lists(st.dictionaries(NAMES, UNITS, max_size=30), max_size=10))
def test_no_unit_is_lost_and_no_day_has_more_names_than_its_bound(writes: list[dict[str, Decimal]]) -> None:
    parts = Parts()
    for named in writes:
        parts = parts.plus(Parts(named))
        assert len(parts.named) <= NAMES_MAX
    assert parts.known == sum((sum(named.values()) for named in writes), Decimal(0))
    every = {name for named in writes for name in named}
    assert len(parts.named) == min(len(every), NAMES_MAX)
    assert bool(parts.other) == (len(every) > NAMES_MAX)


@given(st.dictionaries(NAMES, UNITS, max_size=40), st.integers(0, 8))
def test_the_largest_are_kept_apart_and_the_rest_is_other(named: dict[str, Decimal], names_max: int) -> None:
    shown = Parts(named, Decimal(5)).largest(names_max)
    assert shown.known == sum(named.values(), Decimal(5))
    assert list(shown.named) == sorted(shown.named, key=lambda name: (-shown.named[name], name))
    beyond = [units for name, units in named.items() if name not in shown.named]
    assert not beyond or not shown.named or max(beyond) <= min(shown.named.values())


@given(
    st.lists(
        st.tuples(st.integers(0, 10**6), st.one_of(st.none(), NAMES), st.one_of(st.none(), NAMES), st.integers(0, 60)),
        max_size=99,
    )
)
def test_a_write_tells_all_units_whose_names_are_known_and_names_few(
    told: list[tuple[int, str | None, str | None, int]],
) -> None:
    days = made_of_days(event(number, *each) for number, each in enumerate(told))
    for view, at in (("models", 1), ("sources", 2)):
        parts: list[Parts] = [getattr(each, view) for each in days.values()]
        assert sum(each.known for each in parts) == sum(each[0] for each in told if each[at] is not None)
        assert len({name for each in parts for name in each.named}) <= NAMES_OF_WRITE_MAX
    assert NOTHING_KNOWN not in days.values()


def test_each_day_has_its_own_parts() -> None:
    days = made_of_days(
        [
            event(1, 5, "large", "api"),
            event(2, 7, "small", None),
            event(3, 2, "large", "api", days=9),
            event(4, 1, None, None),
        ]
    )
    assert days == {
        "0301": MadeOf(Parts({"large": Decimal(2)}), Parts({"api": Decimal(2)})),
        "0310": MadeOf(Parts({"small": Decimal(7), "large": Decimal(5)}), Parts({"api": Decimal(5)})),
    }


def test_a_view_that_knows_of_more_than_was_used_says_nothing() -> None:
    made_of = MadeOf(Parts({"large": Decimal(5)}), Parts({"api": Decimal(3)}))
    assert made_of.within(Decimal(5)) == made_of
    assert made_of.within(Decimal(4)) == MadeOf(Parts(), made_of.sources)

    assert made_of.within(Decimal(3)) == MadeOf(Parts(), made_of.sources)
    assert made_of.within(Decimal(2)) == NOTHING_KNOWN


def units(**named: int) -> Parts:
    return Parts({name: Decimal(quantity) for name, quantity in named.items()})


def test_both_views_are_added_up_each_with_its_bound() -> None:
    made_of = MadeOf(units(large=5, small=1), units(api=6))
    more = MadeOf(units(small=2, tiny=1), units(batch=2, web=1))
    assert made_of.plus(more) == MadeOf(units(large=5, small=3, tiny=1), units(api=6, batch=2, web=1))
    assert made_of.plus(more, 2) == MadeOf(
        replace(units(large=5, small=3), other=Decimal(1)), replace(units(api=6, batch=2), other=Decimal(1))
    )
    many = MadeOf(*(Parts({f"{view}{number}": Decimal(1) for number in range(NAMES_MAX + 1)}) for view in "ms"))
    assert NOTHING_KNOWN.plus(many, None) == many
    assert NOTHING_KNOWN.plus(many).models.other == NOTHING_KNOWN.plus(many).sources.other == 1


def test_of_as_many_units_the_name_decides_which_are_kept_apart() -> None:
    assert units(b=1, c=2, a=1).largest(2) == replace(units(c=2, a=1), other=Decimal(1))
    assert list(units(b=1, a=1).largest(2).named) == ["a", "b"]


def test_the_smallest_of_many_names_of_a_write_are_other_on_each_day() -> None:
    largest = [event(number, 9, f"m{number}", None) for number in range(NAMES_OF_WRITE_MAX)]
    days = made_of_days(
        [*largest, event(90, 4, "small", None), event(91, 3, "tiny", None), event(92, 2, "tiny", None, 1)]
    )
    assert (len(days["0310"].models.named), days["0310"].models.other) == (NAMES_OF_WRITE_MAX, 7)
    assert days["0309"].models == Parts({}, Decimal(2))


def test_an_event_of_no_units_names_nothing() -> None:
    assert made_of_days([event(1, 0, "large", "api")]) == {}


@pytest.mark.parametrize(
    ("stated", "kept"),
    [
        ("claude-sonnet-4-5", "claude-sonnet-4-5"),
        ("  a b\n", "a b"),
        ("a\x00b\u2028\ud800", "ab"),
        ("模" * 100, "模" * ORIGIN_LENGTH_MAX),
        ("x" * 63 + " y", "x" * 63),
        ("", None),
        (" \t", None),
        (None, None),
        (7, None),
        ({"a": 1}, None),
    ],
)
def test_a_name_is_cut_to_what_can_be_shown(stated: object, kept: str | None) -> None:
    assert origin_name(stated) == kept


def test_model_and_source_are_no_part_of_an_events_content() -> None:
    # The callback and the spend log of LiteLLM may name the model of one call differently
    one, other = event(1, 5, "large", "api"), event(1, 5, "azure/large", None)
    assert one == other
    assert one.fingerprint == other.fingerprint


def test_a_batch_of_many_days_names_the_same_models_on_each() -> None:
    # What a seller sends once a week: names are counted over the whole write, not for each of its days
    days = made_of_days(event(number, 5, f"m{number % 3}", None, days=number // 3) for number in range(90))
    assert len(days) == 30
    assert all(len(each.models.named) == 3 and not each.models.other for each in days.values())


def test_the_largest_names_of_a_write_are_kept_whatever_days_are_told_of_before() -> None:
    small = [event(number, 1, f"small-{number:02d}", None) for number in range(NAMES_MAX + 1)]
    large = event(100, 1_000, "large", None, days=1)
    days = made_of_days([*small, large])
    assert sorted(days) == ["0309", "0310"]
    assert days["0309"].models == Parts({"large": Decimal(1_000)})
    assert len(days["0310"].models.named) == NAMES_OF_WRITE_MAX - 1
