"""Issue 11, point 12: a paid renewal is granted however many meters the plan has, up to the catalog's bound."""

from decimal import Decimal

import pytest

from pancake_meter.catalog import Catalog, parse_catalog
from pancake_meter.catalog.errors import CatalogError
from pancake_meter.catalog.model import METERS_MAX
from pancake_meter.domain.balance.balance import Balance
from pancake_meter.store.balance.balances import read_balances
from pancake_meter.store.table import Put, Table, Write
from pancake_meter.value import replace
from tests.support.catalogs import FREE, SOLD, toml_of_meters
from tests.support.webhook_world import CUSTOMER, World, lifecycle, utc

ORDER = "ORD_A"
RENEWED_AT = utc("2026-04-10T15:15:00")


@pytest.fixture(scope="module")
def catalog() -> Catalog:
    return parse_catalog(toml_of_meters(METERS_MAX))


@pytest.fixture
def many(world: World, catalog: Catalog) -> World:
    return replace(world, catalog=catalog)


def balances(world: World) -> list[Balance]:
    return read_balances(world.table, CUSTOMER)


def activated() -> dict[str, object]:
    return lifecycle("activated", ORDER, "2026-03-10", "2026-03-10", "2026-04-10")


def test_a_customer_of_every_meter_is_activated_renewed_and_cancelled_at_the_bound(many: World) -> None:
    # Given usage of every meter, more than the default plan has
    for meter in many.catalog.meters:
        many.use(FREE + 7, meter)
    # When the plan is bought
    assert many.take(activated()).verdict == "applied"
    # Then
    assert {int(balance.available) for balance in balances(many)} == {SOLD}
    # When all of it is used and more, and it is renewed
    for meter in many.catalog.meters:
        many.use(SOLD + 30, meter)
    renewed = lifecycle("renewed", ORDER, "2026-04-10", "2026-04-10", "2026-05-10", number=2)
    assert many.take(renewed, RENEWED_AT).verdict == "applied"
    assert many.take(renewed, RENEWED_AT).verdict == "duplicate"
    # Then each has its new period once, and owes what lay beyond the old ones
    assert {int(balance.available) for balance in balances(many)} == {SOLD}
    assert {int(balance.overage_due) for balance in balances(many)} == {37}
    # When it ends
    canceled = lifecycle("canceled", ORDER, "2026-04-12", "2026-04-10", "2026-05-10", number=2)
    assert many.take(canceled, utc("2026-04-12T15:15:00")).verdict == "applied"
    # Then
    assert {(balance.policy.plan, int(balance.available)) for balance in balances(many)} == {("free", FREE)}


def test_work_that_stops_half_way_goes_on_where_it_stopped(many: World, monkeypatch: pytest.MonkeyPatch) -> None:
    # Given usage of every meter under the plan, and a store that dies before the last part of the renewal
    assert many.take(activated()).verdict == "applied"
    for meter in many.catalog.meters:
        many.use(400, meter)
    transact, transactions = Table.transact, []

    def dies(table: Table, writes: list[Write]) -> None:
        is_mark = any(isinstance(write, Put) and str(write.item["PK"]).startswith("DELIVERY#") for write in writes)
        if is_mark:
            raise RuntimeError("the function is over")
        transactions.append(len(writes))
        transact(table, writes)

    renewed = lifecycle("renewed", ORDER, "2026-04-10", "2026-04-10", "2026-05-10", number=2)
    with monkeypatch.context() as patched:
        patched.setattr(Table, "transact", dies)
        with pytest.raises(RuntimeError):
            many.take(renewed, RENEWED_AT)
    assert transactions
    # And usage goes on meanwhile
    for meter in many.catalog.meters:
        many.use(5, meter, RENEWED_AT)
    # When Waffo tries again
    assert many.take(renewed, RENEWED_AT).verdict == "applied"
    # Then every period was granted once, with what rolled over: what was used before the news went to what was open then
    left = {int(balance.available) for balance in balances(many)}
    assert left <= {SOLD + 50 - 5, SOLD + 50}
    assert {balance.policy.plan for balance in balances(many)} == {"starter"}
    assert sum((balance.overage_due for balance in balances(many)), Decimal(0)) == 0


def test_a_catalog_of_more_meters_is_refused() -> None:
    with pytest.raises(CatalogError):
        parse_catalog(toml_of_meters(METERS_MAX + 1))
