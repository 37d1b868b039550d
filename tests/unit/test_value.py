"""Values: what they have in common, and that what never changes is one."""

import ast
from collections.abc import Mapping
from functools import cached_property
from pathlib import Path

import pytest
from rich.pretty import pretty_repr

from pancake_meter.value import Value, field, hiding, replace, same_but_for

ROOT = Path(__file__).resolve().parents[2]


class Price(Value):
    amount: int
    by_tier: Mapping[str, int] = field(default_factory=dict)

    def __post_init__(self) -> None:
        if self.amount < 0:
            raise ValueError("below zero")


class Discount(Price):
    """Of another kind than a price, with the same fields."""


@same_but_for("told")
class Told(Value):
    id: str
    told: int = 0


class Retold(Told):
    """Of another kind, which is told in the same way."""


@hiding("secret")
class Key(Value):
    name: str
    secret: str


class Sum(Value, dict=True):
    parts: tuple[int, ...]

    @cached_property
    def total(self) -> int:
        return sum(self.parts)


def test_a_value_equals_another_of_its_kind_with_equal_fields() -> None:
    assert Price(1) == Price(amount=1, by_tier={})
    assert Price(1) != Price(2)
    assert Price(1) != Discount(1)
    assert len({Told("a"), Told("a"), Told("b")}) == 2


def test_a_value_never_changes_and_has_no_other_fields() -> None:
    price = Price(1)
    with pytest.raises(AttributeError):
        price.amount = 2  # type: ignore[misc]
    with pytest.raises(AttributeError):
        price.other = 2  # type: ignore[attr-defined]
    assert price == Price(1)


def test_a_default_is_made_anew_for_each_value() -> None:
    assert Price(1).by_tier is not Price(1).by_tier


def test_a_replacement_is_checked_as_a_new_value_is() -> None:
    assert replace(Price(1, {"a": 1}), amount=2) == Price(2, {"a": 1})
    with pytest.raises(ValueError, match="below zero"):
        replace(Price(1), amount=-1)
    with pytest.raises(TypeError):
        replace(Price(1), other=1)  # type: ignore[call-arg]


def test_what_is_only_told_of_a_value_makes_it_no_other() -> None:
    assert Told("a", 1) == Told("a", 2)
    assert hash(Told("a", 1)) == hash(Told("a", 2))
    assert Told("a", 1) != Told("b", 1)
    assert Told("a", 1) != "a"  # type: ignore[comparison-overlap]
    assert replace(Told("a", 1), told=3).told == 3
    assert Retold("a", 1) == Retold("a", 2)
    assert Retold("a", 1) != Told("a", 1)


def test_a_secret_is_in_no_repr_and_still_compared() -> None:
    assert repr(Key("ada", "hush")) == "Key(name='ada')"
    assert f"{Key('ada', 'hush')}" == "Key(name='ada')"
    assert pretty_repr(Key("ada", "hush")) == "Key(name='ada')"
    assert Key("ada", "hush") != Key("ada", "other")


def test_what_a_value_worked_out_is_kept_and_not_taken_over_by_its_replacement() -> None:
    summed = Sum((1, 2))
    assert summed.total == 3
    assert "total" in summed.__dict__
    assert replace(summed, parts=(5,)).total == 5


def test_issue_15_what_never_changes_is_a_value_and_no_dataclass_which_a_cold_start_would_compile_anew() -> None:
    """Of what our functions import. Each dataclass costs as much as ten values, and two hundred were a third of a start."""
    frozen = [
        f"{path.relative_to(ROOT)}: {node.name}"
        for folder in ("layers", "functions")
        for path in sorted((ROOT / folder).rglob("*.py"))
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
        if isinstance(node, ast.ClassDef)
        if any("frozen=True" in ast.unparse(each) for each in node.decorator_list)
    ]
    assert frozen == []
