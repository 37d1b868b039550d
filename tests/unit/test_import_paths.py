"""What a cold start imports: nothing that the function does not use. Names, not seconds: those belong to a benchmark."""

import ast
import compileall
import json
import os
import shutil
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import pytest

from tools.build import CATALOG, write_catalog
from tools.cold import SETTINGS, STARTED_BY_LAMBDA

ROOT = Path(__file__).resolve().parents[2]
ENVIRONMENT = {**SETTINGS, **STARTED_BY_LAMBDA, "CATALOG_PATH": str(CATALOG)}
ROUTES = "aws_lambda_powertools.event_handler"
RESOLVER = f"{ROUTES}.api_gateway"
"""It brings the classes of every kind of event along."""
HEAVY = {
    *("httpx", "pydantic", "itsdangerous", "jwt", "aws_xray_sdk", "jinja2", "requests"),
    *("pancake_meter.waffo.keys", RESOLVER),
}
"""``waffo.keys`` stands for cryptography, which botocore too imports where PyOpenSSL happens to be installed."""

ALLOWED = {
    "access": {RESOLVER, "pydantic"},
    "alert_sender": {"httpx"},
    "alerts": {RESOLVER, "pydantic"},
    "api_key_authorizer": set(),
    "customer_controls": {RESOLVER, "pydantic"},
    "customer_data": {RESOLVER, "pydantic"},
    "customers": {RESOLVER, "pydantic"},
    "payments": {RESOLVER, "pydantic"},
    "quota_check": {RESOLVER, "pydantic"},
    "usage_batch": {"pydantic"},
    "usage_bulk": {RESOLVER, "pydantic"},
    "usage_forwarding": {"httpx"},
    "usage_healing": {RESOLVER, "pydantic", "httpx"},
    "usage_recording": {RESOLVER, "pydantic"},
    "reconciliation": {RESOLVER, "pydantic", "pancake_meter.waffo.keys", "httpx"},
    "renewal_reset": set(),
    "reports": {RESOLVER, "pydantic"},
    "stream_reader": set(),
    "waffo_actions": {RESOLVER, "pydantic", "pancake_meter.waffo.keys", "httpx"},
    "webhook_deliveries": {RESOLVER, "pydantic"},
    "webhook_intake": {"pancake_meter.waffo.keys"},
    "overage_checkout": {RESOLVER, "pydantic", "pancake_meter.waffo.keys", "httpx"},
}


ALL_ALIKE = (
    "boto3",
    "aws_lambda_powertools.logging",
    "aws_lambda_powertools.metrics",
)
"""What the functions have in common and may all import, though not all do."""

READING_NO_SETTINGS = ("pancake_meter.domain", "pancake_meter.store", "pancake_meter.usecases", "pancake_meter.waffo")
"""What many functions import, and what sees nothing of the environment: settings are read above it."""

EACH_BY_ITSELF = """
import gc, importlib, json, os, sys
for name in filter(None, os.environ["IMPORTED_BEFORE"].split(",")):
    importlib.import_module(name)
before = sorted(sys.modules)
print(json.dumps(["", before, "", True]), flush=True)
for function in sys.argv[1:]:
    if os.fork() == 0:
        try:
            importlib.import_module(function)
            said = ""
        except Exception as error:
            said = f"{type(error).__name__}: {error}"
        print(json.dumps([function, sorted(sys.modules), said, gc.isenabled() and gc.get_freeze_count() > 0]), flush=True)
        os._exit(0)
    os.wait()
"""
"""Imports each function as a process of its own would, but for what all of them have in common: that is imported once."""


@dataclass(frozen=True)
class Started:
    """What a function had imported when it had started, or what it said in place of starting."""

    modules: frozenset[str]
    said: str
    looks_for_garbage: bool
    """Again, and not among what was imported."""


def start_each(
    layer: Path,
    environment: dict[str, str],
    functions: Sequence[str] = tuple(sorted(ALLOWED)),
    before: Sequence[str] = ALL_ALIKE,
) -> dict[str, Started]:
    """Start functions with a layer; "" is what was imported before: the modules ``before``, once for all of them."""
    paths = [layer, *(ROOT / "functions" / function for function in functions)]
    given = {"PATH": os.environ["PATH"], "PYTHONPATH": os.pathsep.join(map(str, paths)), **environment}
    given["IMPORTED_BEFORE"] = ",".join(before)
    command = [sys.executable, "-c", EACH_BY_ITSELF, *functions]
    printed = subprocess.run(command, env=given, capture_output=True, text=True, check=True).stdout
    rows = [json.loads(line) for line in printed.splitlines()]
    return {function: Started(frozenset(modules), *others) for function, modules, *others in rows}


@pytest.fixture(scope="module")
def layer(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Make the layer as it is built: with the catalog as code."""
    folder = tmp_path_factory.mktemp("layer")
    shutil.copytree(ROOT / "layers" / "shared" / "pancake_meter", folder / "pancake_meter")
    write_catalog(CATALOG, folder / "pancake_meter" / "catalog" / "checked.py")
    return folder


@pytest.fixture(scope="module")
def started(layer: Path) -> dict[str, Started]:
    return start_each(layer, ENVIRONMENT)


@pytest.fixture(scope="module")
def started_without_settings(layer: Path, started: dict[str, Started]) -> dict[str, Started]:
    # These tests look at what is said alone. What is below the handlers reads no settings, and takes most of the time.
    below = sorted(name for name in started["reconciliation"].modules if name.startswith(READING_NO_SETTINGS))
    environment = {"AWS_DEFAULT_REGION": "us-east-1"}
    return start_each(layer, environment, before=(*ALL_ALIKE, "httpx", "jwt", "pydantic", *below))


@pytest.mark.parametrize("function", sorted(ALLOWED))
def test_a_function_imports_only_what_it_uses(started: dict[str, Started], function: str) -> None:
    assert started[""].modules & HEAVY == set(), "what is imported before would hide what a function imports"
    assert started[function].said == ""
    assert started[function].modules & HEAVY == ALLOWED[function]


@pytest.mark.parametrize("function", sorted(ALLOWED))
def test_a_function_without_its_settings_refuses_to_start(
    started_without_settings: dict[str, Started], function: str
) -> None:
    assert started_without_settings[function].said.startswith("ConfigurationError: missing in the environment")


@pytest.mark.parametrize("folder", sorted((ROOT / "functions").iterdir()), ids=lambda folder: folder.name)
def test_issue_15_a_function_stops_the_search_for_garbage_before_it_imports_anything_else(folder: Path) -> None:
    body = ast.parse((folder / f"{folder.name}.py").read_text(encoding="utf-8")).body
    first = next(each for each in body if isinstance(each, ast.Import | ast.ImportFrom))
    assert ast.unparse(first) == "import pancake_meter.cold_start"


@pytest.mark.parametrize("function", sorted(ALLOWED))
def test_issue_15_a_function_that_has_started_looks_for_garbage_again_but_not_among_what_it_imported(
    started: dict[str, Started], function: str
) -> None:
    assert started[function].looks_for_garbage


@pytest.mark.parametrize("function", sorted(ALLOWED))
def test_issue_15_routes_of_http_come_without_those_of_other_services(
    started: dict[str, Started], function: str
) -> None:
    imported = started[function].modules
    assert (
        imported & {f"{ROUTES}.{name}" for name in ("appsync", "bedrock_agent", "vpc_lattice", "events_appsync")}
        == set()
    )
    # Batches of a queue may be worked off by coroutines, and Powertools has those beside the others.
    assert ("asyncio" in imported) == ("aws_lambda_powertools.utilities.batch" in imported)


LAZY = """
import ast, importlib, sys
import pancake_meter.cold_start
from pancake_meter.cold_start import _LAZY
for package in _LAZY:
    lazy = importlib.import_module(package)
    source = ast.parse(lazy.__loader__.get_source(package))
    [names] = [ast.literal_eval(each.value) for each in source.body if isinstance(each, ast.Assign)]
    assert all(isinstance(each, (ast.Expr, ast.ImportFrom, ast.Assign)) for each in source.body), "more than imports"
    # What Python keeps of a module that it imports is not in the way of a name that is the module's too.
    for each in source.body:
        if isinstance(each, ast.ImportFrom):
            importlib.import_module("." * each.level + each.module, package)
    had = {name: getattr(lazy, name) for name in names}
    starred = {}
    exec(f"from {package} import *", starred)
    assert had.items() <= starred.items()
    del sys.modules[package]
    whole = importlib.import_module(package)
    assert whole is not lazy and len(had) > 10
    assert had == {name: getattr(whole, name) for name in whole.__all__}
    try:
        lazy.nothing
    except AttributeError as error:
        assert "has no attribute 'nothing'" in str(error)
    else:
        raise SystemExit("what nobody has was had")
    assert not hasattr(lazy, "__nothing__") and not hasattr(lazy, "nothing.at_all")
"""
"""The lazy packages have what the whole ones have, name by name, and no name more."""

USED = """
import sys
import pancake_meter.cold_start
import aws_lambda_powertools.event_handler
event_handler = aws_lambda_powertools.event_handler
from aws_lambda_powertools.event_handler import APIGatewayHttpResolver, Response, content_types
from aws_lambda_powertools.event_handler.api_gateway import Response as same
assert Response is same and event_handler.Response is same and event_handler.api_gateway.Response is same
assert content_types.APPLICATION_JSON == "application/json"
assert "asyncio" not in sys.modules
from aws_lambda_powertools.event_handler import AppSyncResolver
assert "asyncio" in sys.modules and event_handler.appsync.AppSyncResolver is AppSyncResolver
"""

LATE = """
import aws_lambda_powertools.event_handler as before
import pancake_meter.cold_start
import aws_lambda_powertools.event_handler as after
assert after is before and "AppSyncResolver" in vars(after)
"""
"""A package that is there already stays as it is."""


MADE = """
import sys
from pancake_meter.lazy_packages import make_lazy
make_lazy("made", "made.inner", "not_made")
import made
from made import Thing, Renamed, inner, part, here
assert (Thing, Renamed, here.HERE, part.__name__) == ("a thing", "renamed", 3, "made.part")
assert inner is made.inner and inner.DEEP == 4 and "ran" not in vars(made)
assert "not_made" not in sys.modules
"""
"""A package with relative imports, modules that it imports as such, and a package inside of it."""

FILES = {
    "made/__init__.py": "ran = 1\nfrom . import part, here\nfrom .thing import Thing, other as Renamed\n",
    "made/part.py": "",
    "made/here.py": "HERE = 3",
    "made/thing.py": "Thing, other = 'a thing', 'renamed'",
    "made/inner/__init__.py": "from made.inner.deep import DEEP",
    "made/inner/deep.py": "DEEP = 4",
}


def test_issue_15_a_lazy_package_may_import_its_own_modules_and_without_sources_is_imported_as_it_is(
    layer: Path, tmp_path: Path
) -> None:
    for name, text in FILES.items():
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text(text, encoding="utf-8")
    given = {"PATH": os.environ["PATH"], "PYTHONPATH": f"{layer}{os.pathsep}{tmp_path}"}
    subprocess.run([sys.executable, "-c", MADE], env=given, check=True)
    # When there is byte code alone
    compileall.compile_dir(tmp_path, legacy=True, quiet=1)
    for name in FILES:
        (tmp_path / name).unlink()
    # Then
    subprocess.run([sys.executable, "-c", MADE.replace('"ran" not in', '"ran" in')], env=given, check=True)


@pytest.mark.parametrize(
    "code", [LAZY, USED, LATE], ids=["has all names", "imports what is asked for", "is there already"]
)
def test_issue_15_a_lazy_package_has_what_the_package_has(layer: Path, code: str) -> None:
    given = {"PATH": os.environ["PATH"], "PYTHONPATH": str(layer), **ENVIRONMENT}
    done = subprocess.run([sys.executable, "-c", code], env=given, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


CATALOGS_CHECK = {f"pancake_meter.catalog.{name}" for name in ("checking", "model", "building")} | {"tomllib"}


@pytest.mark.parametrize("function", sorted(ALLOWED))
def test_issue_15_a_catalog_that_the_build_has_checked_is_not_checked_again(
    started: dict[str, Started], function: str
) -> None:
    assert started[function].modules & CATALOGS_CHECK == set()


def test_issue_15_another_catalog_is_checked_by_the_function_itself(layer: Path, tmp_path: Path) -> None:
    # Given a good catalog, and a bad one, both of another text than that of the build
    good, bad = tmp_path / "good.toml", tmp_path / "bad.toml"
    good.write_bytes(CATALOG.read_bytes() + b"# another\n")
    bad.write_bytes(CATALOG.read_bytes() + b"unknown = 1\n")
    # When
    with_good = start_each(layer, {**ENVIRONMENT, "CATALOG_PATH": str(good)}, ["quota_check"])["quota_check"]
    with_bad = start_each(layer, {**ENVIRONMENT, "CATALOG_PATH": str(bad)}, ["quota_check"])["quota_check"]
    # Then
    assert with_good.said == ""
    assert with_good.modules >= CATALOGS_CHECK
    assert with_bad.said.startswith("CatalogError: the catalog cannot be used")


# The authorizer is started before any other function answers: it knows keys and tokens alone.
FOREIGN_TO_THE_AUTHORIZER = (
    "pancake_meter.catalog",
    "pancake_meter.domain.selling.overage",
    "pancake_meter.domain.standing",
)


def test_issue_15_the_authorizer_imports_no_selling(started: dict[str, Started]) -> None:
    found = started["api_key_authorizer"].modules
    assert not [name for name in found if name.startswith(FOREIGN_TO_THE_AUTHORIZER)]
