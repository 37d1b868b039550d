"""Keys that sign customer tokens in tests: an old one and the current one; and a stack that has erased nobody."""

import json
from typing import Final

from pancake_meter.store.access.erasures import Erasures
from pancake_meter.usecases.access.customer_token import TokenKeys
from tests.support.key_table import KeyTable

STACK: Final = "5b4c6f4e-0d3a-4d0c-9a5e-6f2f8f0f5a11"
OLD_KEY: Final = "an-old-key-of-this-stack-that-still-counts"
CURRENT_KEY: Final = "the-key-of-this-stack-that-signs-new-tokens"
SECRET: Final = json.dumps({"current": "2", "1": OLD_KEY, "2": CURRENT_KEY})
TOKEN_KEYS: Final = TokenKeys(STACK, lambda: SECRET)
NOBODY_ERASED: Final = Erasures(KeyTable(), lambda: "a key of the tests")
