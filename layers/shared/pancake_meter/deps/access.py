"""The collaborators of the function that makes keys and tokens: those of the authorizer, and who was erased."""

from pancake_meter.deps.authorizer import AuthorizerDeps, authorizer_deps
from pancake_meter.deps.erasures import stack_erasures
from pancake_meter.store.access.erasures import Erasures


class AccessDeps(AuthorizerDeps, kw_only=True):
    """What the authorizer has, and the customers who were erased: nobody gets a token for one."""

    erasures: Erasures


def access_deps() -> AccessDeps:
    """Return the collaborators of this stack. A missing setting stops the cold start, so that nothing is let through."""
    known = authorizer_deps()
    return AccessDeps(known.table, known.mode, known.tokens, erasures=stack_erasures())
