"""The code of the pages' templates, kept from one test to the next."""

from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from typing import TYPE_CHECKING

import pytest
from jinja2 import BytecodeCache, Environment

from pancake_pages import site

if TYPE_CHECKING:
    from types import CodeType

    from jinja2.bccache import Bucket


class _KeptCode(BytecodeCache):
    """Keeps the code of each template by its name and its text."""

    def __init__(self) -> None:
        self._codes: dict[tuple[str, str], CodeType] = {}

    def load_bytecode(self, bucket: "Bucket") -> None:
        """Jinja asks for the code of a template, and compiles it where there is none."""
        bucket.code = self._codes.get((bucket.key, bucket.checksum))

    def dump_bytecode(self, bucket: "Bucket") -> None:
        """Jinja has compiled a template."""
        assert bucket.code is not None, "it was compiled"
        self._codes[bucket.key, bucket.checksum] = bucket.code


@contextmanager
def templates_compiled_once() -> Iterator[None]:
    """Let no site compile a template that another has: each test has a site of its own, as each Lambda has.

    Compiling what a page is made of takes several times as long as all else of a test that looks at it.
    """
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(site, "Environment", partial(Environment, bytecode_cache=_KeptCode()))
        yield
