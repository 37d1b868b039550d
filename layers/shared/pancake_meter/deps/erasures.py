"""The customers of this stack who were erased."""

from functools import cache

from pancake_meter.deps.config import pseudonym_secret_id
from pancake_meter.deps.secret import Secret
from pancake_meter.deps.stack import stack_table
from pancake_meter.store.access.erasures import Erasures


@cache
def stack_erasures() -> Erasures:
    """Return the erasures, made once. The key of pseudonyms is read when the first pseudonym is needed."""
    return Erasures(stack_table(), Secret(pseudonym_secret_id()))
