"""Authentication for a LiteLLM proxy in tests: keys that are bound to customers, without the proxy's database.

``sk-of-<customer>`` is a key whose metadata names the customer; any other key is nobody's.
"""

from typing import Any

from litellm.proxy._types import UserAPIKeyAuth

PREFIX = "sk-of-"


async def user_api_key_auth(_: Any, api_key: str) -> Any:
    """Return whose key it is, as the proxy's own authentication would."""
    metadata = {"customer_id": api_key.removeprefix(PREFIX)} if api_key.startswith(PREFIX) else {}
    return UserAPIKeyAuth(api_key=api_key, metadata=metadata)
