"""Fixtures for every kind of test, and the rule that unit and property tests open no socket."""

import gc
import os
import ssl
import uuid
from collections import Counter
from collections.abc import Generator, Iterator
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

import hypothesis
import pytest
from xdist.scheduler import LoadScopeScheduling  # type: ignore[import-untyped]

from tests.support.aws import DUMMY_ACCESS_KEY, REGION, plain_dynamodb_client
from tests.support.dynamodb_engine import Engine, dynamodb_engine, engine_here
from tests.support.table import create_table

if TYPE_CHECKING:
    from mypy_boto3_dynamodb import DynamoDBClient

    from tests.support.waffo_simulator import RunningSimulator

TESTS = Path(__file__).parent
STACK = TESTS / "e2e"
SHARING = (
    ("LiteLLM, on a stack of its worker's", "tests/e2e/", "litellm"),
    ("stacks of their own", "tests/e2e/test_launch.py", ""),
    ("stacks of their own", "tests/e2e/test_transcript.py", ""),
    ("the local stack", "tests/e2e/", ""),
)
"""What is shared, and by which tests: how their ids begin, and what is in them. The first that fits counts."""
APART = "tests/integration/"
"""Tests of these modules share nothing, and take long enough to be given out one by one."""
SPLIT_REPORTS_MIN = 500
"""A run of a few tests is not split: its durations are its own."""
SPLIT_MODULES = 12
GARBAGE_EACH = 20_000
"""So many more objects, and Python looks for garbage: not after each 700, for it finds little."""
WITHOUT_SOCKETS = (TESTS / "unit", TESTS / "property")

# A deadline measures the machine, not the code: a shared machine would make good tests flicker.
hypothesis.settings.register_profile("default", deadline=None, max_examples=100)
hypothesis.settings.register_profile("ci", deadline=None, max_examples=200, derandomize=True, print_blob=True)
hypothesis.settings.register_profile("thorough", deadline=None, max_examples=2000)
# Of many runs, each of them short and like the one before.
hypothesis.settings.register_profile(
    "mutants",
    deadline=None,
    max_examples=20,
    derandomize=True,
    database=None,
    phases=[hypothesis.Phase.explicit, hypothesis.Phase.generate],
)
hypothesis.settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE", "default"))


@pytest.hookimpl(wrapper=True)
def pytest_collection() -> Generator[None, object, object]:
    """Look for no garbage while thousands of tests are made that all stay, nor among them ever after."""
    gc.disable()
    collected = yield
    gc.freeze()
    gc.set_threshold(GARBAGE_EACH)
    gc.enable()
    return collected


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Close the network for unit and property tests. What is longest begins first: the tests that share a stack.

    What is given out one by one begins last: else a worker may be left with a long module when the others have done.

    Tests marked `dynoxide` are skipped on another engine, for the reason that they give.
    """
    items.sort(key=lambda item: (not item.path.is_relative_to(STACK), item.nodeid.startswith(APART)))
    for item in items:
        if any(item.path.is_relative_to(folder) for folder in WITHOUT_SOCKETS):
            item.add_marker(pytest.mark.disable_socket)
    if engine_here() is not Engine.DYNOXIDE:
        for item in items:
            if needs := item.get_closest_marker("dynoxide"):
                item.add_marker(pytest.mark.skip(reason=f"needs Dynoxide: {needs.args[0]}"))


def pytest_report_header() -> str:
    """Say which engine plays DynamoDB."""
    return f"DynamoDB: {engine_here()}"


class _ByWhatIsShared(LoadScopeScheduling):  # type: ignore[misc]
    """Tests that share something long in the making all go to one worker: a stack, LiteLLM, or what their module makes."""

    def _split_scope(self, nodeid: str) -> str:
        for shared, beginning, part in SHARING:
            if nodeid.startswith(beginning) and part in nodeid:
                return shared
        return nodeid if nodeid.startswith(APART) else nodeid.partition("::")[0]


def pytest_xdist_make_scheduler(config: pytest.Config, log: object) -> object:
    """Have what is shared made once, in the order of tests (``--dist loadgroup`` is deaf to its marks under pytest 9)."""
    config.option.loadscopereorder = False
    return _ByWhatIsShared(config, log)


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Tell where the time went: by kind of test, by worker, and the modules that took most."""
    reports = [
        report for of_kind in terminalreporter.stats.values() for report in of_kind if hasattr(report, "duration")
    ]
    if len(reports) < SPLIT_REPORTS_MIN:
        return
    kinds, workers, modules = Counter[str](), Counter[str](), Counter[str]()
    for report in reports:
        module = report.nodeid.partition("::")[0]
        kinds[module.split("/")[1]] += report.duration
        modules[module] += report.duration
        workers[getattr(report, "worker_id", "this process")] += report.duration
    terminalreporter.section("where the time went")
    for of_what in (kinds, workers):
        terminalreporter.line(", ".join(f"{name} {seconds:.0f} s" for name, seconds in of_what.most_common()))
    for module, seconds in modules.most_common(SPLIT_MODULES):
        terminalreporter.line(f"{seconds:6.1f} s  {module}")


@pytest.fixture(autouse=True)
def _no_real_account(monkeypatch: pytest.MonkeyPatch) -> None:
    """Whatever the machine's credentials are, no test can reach an account with them."""
    for name in ("AWS_PROFILE", "AWS_SESSION_TOKEN", "AWS_ENDPOINT_URL", "AWS_SECURITY_TOKEN"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", DUMMY_ACCESS_KEY)
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", DUMMY_ACCESS_KEY)
    monkeypatch.setenv("AWS_DEFAULT_REGION", REGION)
    monkeypatch.setenv("AWS_REGION", REGION)
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")


@pytest.fixture(scope="session", autouse=True)
def _certificates_are_read_once() -> Iterator[None]:
    """Give all HTTP clients the same certificates: reading those of the machine for each takes longer than most tests."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(ssl, "create_default_context", cache(ssl.create_default_context))
        yield


@pytest.fixture(scope="module")
def running() -> Iterator["RunningSimulator"]:
    """The Waffo simulator, for the tests of a module: each of them begins again."""
    from tests.support.waffo_simulator import simulator  # noqa: PLC0415 - few tests need it

    with simulator() as started:
        yield started


@pytest.fixture(scope="session")
def dynamodb_endpoint() -> Iterator[str]:
    """URL of one engine for the whole session (one per xdist worker)."""
    with dynamodb_engine() as endpoint:
        yield endpoint


@pytest.fixture(scope="session")
def dynamodb(dynamodb_endpoint: str) -> "DynamoDBClient":
    """One DynamoDB client at the engine, without retries. boto3 clients may be shared by threads."""
    return plain_dynamodb_client(dynamodb_endpoint)


@pytest.fixture
def table(dynamodb: "DynamoDBClient") -> Iterator[str]:
    """Name of a fresh table, made from template.yaml, gone after the test."""
    name = create_table(dynamodb, f"test-{uuid.uuid4().hex}")
    yield name
    dynamodb.delete_table(TableName=name)


@pytest.fixture
def streaming_table(dynamodb: "DynamoDBClient") -> Iterator[str]:
    """Name of such a table with its stream."""
    name = create_table(dynamodb, f"test-{uuid.uuid4().hex}", stream=True)
    yield name
    dynamodb.delete_table(TableName=name)
