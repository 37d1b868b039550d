"""The version of this package, and the name it gives itself in requests."""

from typing import Final

__version__: Final = "0.2.0"
USER_AGENT: Final = f"pancake-meter-python/{__version__}"
