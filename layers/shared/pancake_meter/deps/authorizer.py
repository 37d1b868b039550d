"""The collaborators of the authorizer: the table, the mode of API keys, the keys of customer tokens, and the clock."""

from pancake_meter.deps.config import TokenSettings, key_mode
from pancake_meter.deps.secret import Secret
from pancake_meter.deps.stack import Clock, stack_table, utc_now
from pancake_meter.domain.access.api_key import Mode
from pancake_meter.store.table import Table
from pancake_meter.usecases.access.customer_token import TokenKeys
from pancake_meter.value import Value


class AuthorizerDeps(Value):
    """The table, the one mode of API keys, the keys that sign customer tokens, and the clock."""

    table: Table
    mode: Mode
    tokens: TokenKeys
    clock: Clock = utc_now


def authorizer_deps() -> AuthorizerDeps:
    """Return the collaborators of this stack. A missing setting stops the cold start, so that nothing is let through.

    The secret is read by the first call that bears a token.
    """
    settings = TokenSettings.from_environment()
    return AuthorizerDeps(stack_table(), key_mode(), TokenKeys(settings.stack, Secret(settings.secret_id)))
