"""What is wrong with a body is said in our own words, with the bound that was passed, and without what was sent."""

import importlib
import pkgutil
from decimal import Decimal
from typing import Any

import pytest
from pydantic import BaseModel, ValidationError

import pancake_meter
from pancake_meter.faults import FAULTS_MAX, Fault, faults

SECRET = "pm_live_0123456789"
JUNK: tuple[Any, ...] = (
    None,
    True,
    0,
    -1,
    10**30,
    1.5,
    float("nan"),
    Decimal("1e400"),
    "",
    " ",
    "\n",
    SECRET,
    "\ud800",
    "x" * 5000,
    "2026-13-45",
    [],
    [[]],
    [1] * 20_000,
    {},
    {"": {}},
    {1: 2},
    {"x": SECRET},
)
PYDANTIC_WORDS = (
    "Value error",
    "Input should",
    "String should",
    "List should",
    "Field required",
    "Extra inputs",
    "Dictionary",
)


def wire_models() -> list[type[BaseModel]]:
    for module in pkgutil.walk_packages(pancake_meter.__path__, "pancake_meter."):
        importlib.import_module(module.name)
    found: dict[str, type[BaseModel]] = {}

    def collect(model: type[BaseModel]) -> None:
        for each in model.__subclasses__():
            if each.__module__.startswith(
                ("pancake_meter.http.", "pancake_meter.openmeter.", "pancake_meter.litellm.")
            ):
                found[f"{each.__module__}.{each.__qualname__}"] = each
            collect(each)

    collect(BaseModel)
    return [found[name] for name in sorted(found)]


def junk_of(model: type[BaseModel]) -> list[Any]:
    """Return bodies that are no body, and such as have junk in one field and in every field."""
    names = [field.alias or name for name, field in model.model_fields.items()]
    every = [dict.fromkeys(names, value) for value in JUNK]
    return [*JUNK, *every, {"unknown": SECRET}, {str(number): 1 for number in range(500)}]


def told(model: type[BaseModel], body: Any) -> list[Fault]:
    try:
        model.model_validate(body)
    except ValidationError as error:
        return faults(error)
    return []


@pytest.mark.parametrize("model", wire_models(), ids=lambda model: model.__qualname__)
def test_every_fault_of_a_body_is_a_sentence_of_ours_and_repeats_nothing_that_was_sent(model: type[BaseModel]) -> None:
    every = [told(model, body) for body in junk_of(model)]
    found = {(fault["field"], fault["fault"]) for each in every for fault in each}
    assert found
    assert [
        each for each in found if each[1] == "is not valid" or any(words in each[1] for words in PYDANTIC_WORDS)
    ] == []
    assert not any(SECRET in text for each in found for text in each)
    assert max(len(field) for field, _ in found) <= 128
    assert max(len(fault) for _, fault in found) <= 300
    assert max(map(len, every)) <= FAULTS_MAX


def test_the_models_of_all_bodies_are_found() -> None:
    names = {model.__name__ for model in wire_models()}
    assert {"UsageItem", "UsageRequest", "DismissRequest", "CheckoutRequest"} <= names
