"""Issue 16, point 5: a demo month of data, the same each time."""

from collections import Counter
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from local.demo.acts import LAST_DAY
from local.demo.cast import CAST
from local.demo.month import ACTS, Journal, begins_by
from local.demo.standing import OVERDUE
from local.demo.usage import EVENTS_MAX, _cloud_events, _items, _model_calls, _units
from local.demo.world import World, session_of
from local.signed_in import DEMO_CUSTOMER
from pancake_meter.catalog import load_catalog
from tests.e2e.pages_list import CUSTOMERS, FREE, HERO
from tests.e2e.pages_list import OVERDUE as OVERDUE_SHOWN
from tests.unit.catalog.catalogs import DEFAULT_CATALOG

NOW = datetime(2026, 3, 10, 12, 34, 56, tzinfo=UTC)
CATALOG = load_catalog(DEFAULT_CATALOG)
WORLD = World(None, None, "http://127.0.0.1:8000", CAST, begins_by(NOW))  # type: ignore[arg-type] # nothing is sent


def test_thirty_customers_are_on_every_plan_of_the_shipped_catalog() -> None:
    assert len({customer.id for customer in CAST}) == 30
    assert {customer.product for customer in CAST} - {None} == {product.name for product in CATALOG.products}
    assert Counter(customer.product for customer in CAST)[None] >= 3


def test_every_act_is_of_somebody_who_takes_part_on_a_day_of_the_month() -> None:
    names = {customer.id for customer in CAST}
    assert {act.customer for act in ACTS} - {None} <= names
    assert all(0 <= act.day <= LAST_DAY for act in ACTS)
    assert len({(act.day, act.says) for act in ACTS}) == len(ACTS)
    assert set(OVERDUE) <= names


def test_those_whom_the_pages_show_are_among_the_first() -> None:
    first = [customer.id for customer in CAST[:CUSTOMERS]]
    assert {HERO, FREE, OVERDUE_SHOWN, DEMO_CUSTOMER} <= set(first)


def test_the_month_ends_within_the_hour_before_now() -> None:
    assert timedelta(0) <= NOW - WORLD.at(LAST_DAY) < timedelta(hours=1)


def test_what_is_used_is_the_same_each_time_and_of_meters_that_there_are() -> None:
    for customer in CAST:
        for day in range(LAST_DAY + 1):
            units = _units(customer, day)
            assert units == _units(customer, day)
            assert units.keys() <= CATALOG.meters.keys()
            assert all(quantity >= 1 for quantity in units.values())


def test_no_event_is_told_twice_or_before_it_happened() -> None:
    ids: list[tuple[str, str]] = []
    for customer in CAST:
        for day in range(LAST_DAY + 1):
            calls = list(_model_calls(WORLD, customer, day))
            events = list(_cloud_events(WORLD, customer, day))
            items = list(_items(WORLD, customer, day))
            ids += [("call", each["litellm_call_id"]) for each in calls]
            ids += [("event", each["id"]) for each in events] + [("item", each["id"]) for each in items]
            times = [datetime.fromtimestamp(each["endTime"], UTC) for each in calls]
            times += [datetime.fromisoformat(each["time"]) for each in (*events, *items)]
            assert all(time < WORLD.at(day) for time in times)
    assert len(ids) == len(set(ids))


def test_a_days_events_fit_into_one_request_of_each_kind() -> None:
    assert sum(len(list(_items(WORLD, customer, 0))) for customer in CAST) <= EVENTS_MAX


def test_the_parts_of_a_day_add_up_to_what_was_used() -> None:
    customer = CAST[0]
    said = [call["metadata"]["usage_object"]["total_tokens"] for call in _model_calls(WORLD, customer, 3)]
    (event,) = _cloud_events(WORLD, customer, 3)
    assert sum(said) + event["data"]["tokens"] == pytest.approx(_units(customer, 3)["tokens"], abs=2)


def test_a_run_that_was_cut_off_goes_on_where_it_was(tmp_path: Path) -> None:
    file, done = tmp_path / "demo.json", []
    first = Journal.read(file, NOW)
    first.once("subscribe", lambda: done.append("subscribe"))
    with pytest.raises(RuntimeError):
        first.once("day 0", _cut_off)

    # A later run has the same days, does what is left, and nothing twice
    later = Journal.read(file, NOW + timedelta(days=2))
    assert later.begins == first.begins
    later.once("subscribe", lambda: done.append("again"))
    later.once("day 0", lambda: done.append("day 0"))
    assert done == ["subscribe", "day 0"]


def _cut_off() -> None:
    raise RuntimeError


def test_a_payment_page_names_its_session_and_its_buyer() -> None:
    url = "http://127.0.0.1:8001/store/demo/checkout/cs_1?test=true#token=abc.def"
    assert session_of(url) == {"session": "cs_1", "token": "abc.def"}
    assert session_of("http://127.0.0.1:8001/store/demo/checkout/cs_2") == {"session": "cs_2"}
