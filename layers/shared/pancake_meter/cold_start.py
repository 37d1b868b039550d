"""The cold start: nothing that a function imports is garbage.

A function's module imports this one before all others. Python looks for garbage again when its handler has been made, and
then not among what the cold start left: all of that stays for as long as the process lives.
"""

import gc
import os

# Lambda names the function that it starts. A test, or a tool, that imports a handler goes on as it is.
_IS_FUNCTION = "AWS_LAMBDA_FUNCTION_NAME" in os.environ

if _IS_FUNCTION:
    gc.disable()


def end() -> None:
    """Look for garbage from now on. What is there by now is looked at no more."""
    if _IS_FUNCTION:
        gc.freeze()
        gc.enable()
