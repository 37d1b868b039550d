"""Why something was not done, in the language of the page.

The API says it in English. ``words/<language>/problem.toml`` says it in any other language: a domain error by its code, a
wrong field by pydantic's type of the error.
"""

from collections.abc import Sequence

from pydantic import ValidationError

from pancake_meter.domain.errors import DomainError
from pancake_meter.faults import Fault, faults
from pancake_pages.language import Language


def reason_of(error: DomainError, language: Language) -> str:
    """Return why a request was not granted."""
    key = f"problem.code.{error.code}"
    return language.words(key) if language.words.has(key) else str(error)


def faults_of(error: ValidationError, language: Language) -> Sequence[Fault]:
    """Return what is wrong with the fields of a form."""
    words = language.words
    if not words.has("problem.fault.unknown"):
        return faults(error)
    return faults(
        error,
        lambda kind, context: words(
            f"problem.fault.{kind if words.has(f'problem.fault.{kind}') else 'unknown'}", **context
        ),
    )
