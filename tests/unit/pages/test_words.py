"""Issue 16, point 4: texts are in one place for each language, and say the same in each."""

import ast
import re
from collections.abc import Iterator
from functools import cache
from importlib import import_module
from pathlib import Path
from pkgutil import walk_packages
from string import Formatter
from typing import Any

import pytest
from babel import Locale
from jinja2 import Environment, nodes

import pancake_meter
from pancake_meter.catalog.brand import LANGUAGES
from pancake_meter.domain.errors import DomainError
from pancake_meter.faults import SENTENCES
from pancake_pages.site import TEMPLATES
from pancake_pages.wording import Text, wording_of

ROOT = Path(__file__).resolve().parents[3]
CODE = (ROOT / "layers" / "pages" / "pancake_pages", ROOT / "functions")
FIRST, *OTHERS = LANGUAGES

FILLED_IN = frozenset({"count", "shown", "unit"})
"""What decides a plural form, how it is written, and the singular of what is counted: a form may have no place for it."""

SEPARATOR = "\x00"
WORD = re.compile(r"[^\W\d_]{2}")


ENGLISH = "problem."
"""What the API says in English itself: other languages have it under these keys."""


def places(text: Text) -> set[str]:
    forms = [text] if isinstance(text, str) else list(text.values())
    return {name for form in forms for _, name, _, _ in Formatter().parse(form) if name is not None}


@cache
def calls_in_templates() -> tuple[tuple[str, bool, frozenset[str] | None, str], ...]:
    """Each ``t(...)``: its key or the beginning of it, whether that is all of it, its values, and where it is."""
    found = []
    for path in sorted(TEMPLATES.rglob("*.html")):
        parsed = Environment(autoescape=True).parse(path.read_text(encoding="utf-8"))
        for call in parsed.find_all(nodes.Call):
            if isinstance(call.node, nodes.Name) and call.node.name == "t":
                values = None if call.dyn_kwargs else frozenset(each.key for each in call.kwargs)
                for key, is_whole in beginnings(call.args[0]):
                    found.append((key, is_whole, values, path.relative_to(TEMPLATES).as_posix()))
    return tuple(found)


def beginnings(node: nodes.Node) -> Iterator[tuple[str, bool]]:
    """Yield the keys that an expression may be, or what they begin with."""
    match node:
        case nodes.Const(value=str(text)):
            yield text, True
        case nodes.Concat(nodes=[first, *_]) | nodes.Add(left=first):
            yield from ((text, False) for text, _ in beginnings(first))
        case nodes.CondExpr(expr1=one, expr2=other):
            yield from beginnings(one)
            if other is not None:
                yield from beginnings(other)


@cache
def texts_in_code() -> frozenset[tuple[str, bool]]:
    """Each text of the code that may be a key or begin one, and whether all of it is there."""
    found: set[tuple[str, bool]] = set()
    for folder in CODE:
        for path in folder.rglob("*.py"):
            for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
                match node:
                    case ast.Constant(value=str(text)) if "." in text:
                        found.add((text, True))
                    case ast.JoinedStr(values=[ast.Constant(value=str(text)), *_]) if "." in text:
                        found.add((text, False))
    return frozenset(found)


def is_named(key: str) -> bool:
    """Whether a template or the code names a text: in whole, by what is before ``.title``, or by its beginning."""
    named = {(text, is_whole) for text, is_whole, _, _ in calls_in_templates()} | texts_in_code()
    return any(
        key == text or (is_whole and key.startswith(f"{text}.")) or (not is_whole and key.startswith(text))
        for text, is_whole in named
    )


@pytest.mark.parametrize("language", OTHERS)
def test_every_language_has_the_same_keys(language: str) -> None:
    keys = {key for key in wording_of(language).texts if not key.startswith(ENGLISH)}
    assert keys == wording_of(FIRST).texts.keys()


@pytest.mark.parametrize("language", OTHERS)
def test_every_language_says_why_a_request_is_not_granted_and_what_is_wrong_with_a_field(language: str) -> None:
    for module in walk_packages(pancake_meter.__path__, "pancake_meter."):
        if not module.name.endswith("__main__"):
            import_module(module.name)
    every: list[type[DomainError]] = [DomainError, *all_below(DomainError)]
    codes = {error.code for error in every}
    texts = {key.removeprefix(ENGLISH) for key in wording_of(language).texts if key.startswith(ENGLISH)}
    assert {key.removeprefix("code.") for key in texts if key.startswith("code.")} == codes
    assert {key.removeprefix("fault.") for key in texts if key.startswith("fault.")} == {*SENTENCES, "unknown"}


def all_below(kind: type[DomainError]) -> Iterator[type[DomainError]]:
    for each in kind.__subclasses__():
        yield each
        yield from all_below(each)


@pytest.mark.parametrize("kind", SENTENCES)
@pytest.mark.parametrize("language", OTHERS)
def test_the_bound_that_was_passed_is_in_the_sentence(language: str, kind: str) -> None:
    words: dict[str, Any] = {"expected": "'a' or 'b'", "error": "no such day", "pattern": "[a-z]"}
    bounds: dict[str, Any] = dict.fromkeys(("min_length", "max_length", "gt", "ge", "lt", "le"), 1234)
    text = wording_of(language)(f"problem.fault.{kind}", **words, **bounds)
    told = any(each in text for each in (*words.values(), "1234", "1,234"))
    assert told is not isinstance(SENTENCES[kind], str)


@pytest.mark.parametrize("language", OTHERS)
def test_every_language_has_the_same_places_for_values(language: str) -> None:
    first, other = wording_of(FIRST).texts, wording_of(language).texts
    differing = {
        key: (places(first[key]), places(other[key]))
        for key in first.keys() & other.keys()
        if (places(first[key]) ^ places(other[key])) - FILLED_IN
    }
    assert differing == {}


@pytest.mark.parametrize("language", LANGUAGES)
def test_a_text_that_a_number_decides_has_each_plural_form_of_its_language(language: str) -> None:
    needed = {*Locale.parse(language, sep="-").plural_form.tags, "other"}
    lacking = {
        key: needed ^ text.keys()
        for key, text in wording_of(language).texts.items()
        if not isinstance(text, str) and text.keys() != needed
    }
    assert lacking == {}


@pytest.mark.parametrize("language", LANGUAGES)
def test_no_text_is_empty_or_has_white_space_around_it(language: str) -> None:
    texts = wording_of(language).texts
    forms = [
        (key, form) for key, text in texts.items() for form in ([text] if isinstance(text, str) else text.values())
    ]
    assert [key for key, form in forms if not form or form != form.strip()] == []


def test_templates_name_only_texts_that_there_are() -> None:
    texts = wording_of(FIRST).texts
    missing = [
        (where, key)
        for key, is_whole, _, where in calls_in_templates()
        if (key not in texts if is_whole else not any(known.startswith(key) for known in texts))
    ]
    assert missing == []


def test_templates_give_each_text_the_values_that_it_has_places_for() -> None:
    texts = wording_of(FIRST).texts
    wrong = [
        (where, key, sorted(places(texts[key]) ^ values))
        for key, is_whole, values, where in calls_in_templates()
        if is_whole and key in texts and values is not None and (places(texts[key]) ^ values) - FILLED_IN
    ]
    assert wrong == []


def test_a_plural_text_is_given_its_number() -> None:
    texts = wording_of(FIRST).texts
    without = [
        (where, key)
        for key, is_whole, values, where in calls_in_templates()
        if is_whole and not isinstance(texts.get(key, ""), str) and values is not None and "count" not in values
    ]
    assert without == []


def test_no_text_is_left_over() -> None:
    assert [key for key in wording_of(FIRST).texts if not is_named(key)] == []


def test_templates_say_nothing_in_words_of_their_own() -> None:
    """What a template says between its tags comes from the words, so that each language can say it."""
    spoken = [
        (path.relative_to(TEMPLATES).as_posix(), text)
        for path in sorted(TEMPLATES.rglob("*.html"))
        for text in literal_texts(path)
    ]
    assert spoken == []


def literal_texts(path: Path) -> Iterator[str]:
    """Yield what a template says itself. What is in ``<code>`` is typed into a machine, and the same in each language."""
    parsed = Environment(autoescape=True).parse(path.read_text(encoding="utf-8"))
    # A page's kind is an attribute of the frame that it extends.
    kinds = [block for block in parsed.find_all(nodes.Block) if block.name == "kind"]
    passed_over = {id(data) for block in kinds for data in block.find_all(nodes.TemplateData)}
    # A tag may begin in one piece and end in another: what is put in between stands for itself.
    pieces = [data.data for data in parsed.find_all(nodes.TemplateData) if id(data) not in passed_over]
    spoken = re.sub(r"<(code|pre)\b.*?</\1>|<[^<>]*>|&\w+;", SEPARATOR, SEPARATOR.join(pieces), flags=re.DOTALL)
    yield from (text for text in map(str.strip, spoken.split(SEPARATOR)) if WORD.search(text))


def test_a_text_is_written_with_its_number_and_its_plural_form() -> None:
    words = wording_of("en")
    assert words("shared.not_done.text", reason="too late", code="x") == "Nothing has been changed: too late (x)."
    with pytest.raises(KeyError):
        words("shared.not_done.text")
    with pytest.raises(KeyError):
        words("shared.no_such_text")
