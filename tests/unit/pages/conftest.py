from collections.abc import Iterator

import pytest

from tests.support.kept_code import templates_compiled_once


@pytest.fixture(scope="session", autouse=True)
def _templates_are_compiled_once() -> Iterator[None]:
    with templates_compiled_once():
        yield
