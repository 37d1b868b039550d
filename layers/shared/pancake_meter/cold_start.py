"""The cold start: nothing that a function imports is garbage, and Powertools' routes come without what they do not use.

A function's module imports this one before all others. Python looks for garbage again when its handler has been made, and
then not among what the cold start left: all of that stays for as long as the process lives.
"""

import gc
import os
from typing import Final

# Lambda names the function that it starts. A test, or a tool, that imports a handler goes on as it is.
_IS_FUNCTION = "AWS_LAMBDA_FUNCTION_NAME" in os.environ

_LAZY: Final = ("aws_lambda_powertools.event_handler", "aws_lambda_powertools.utilities.data_classes")
"""They import the routes and the events of every service of AWS, and with those of AppSync asyncio. HTTP needs a few."""

if _IS_FUNCTION:
    gc.disable()
    from pancake_meter.lazy_packages import make_lazy

    make_lazy(*_LAZY)


def end() -> None:
    """Look for garbage from now on. What is there by now is looked at no more."""
    if _IS_FUNCTION:
        gc.freeze()
        gc.enable()
