"""Secrets, out of Secrets Manager."""

from typing import Final

from aws_lambda_powertools.utilities import parameters

AGE_SECONDS: Final = 300


def read_secret(secret_id: str) -> str:
    """Return a secret's text, without white space around it. It is asked for again after five minutes: it may be changed.

    Raises:
        aws_lambda_powertools.utilities.parameters.exceptions.GetParameterError: it cannot be read.
    """
    return str(parameters.get_secret(secret_id, max_age=AGE_SECONDS)).strip()
