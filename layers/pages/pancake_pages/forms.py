"""Forms: what a browser sends when a person presses a button."""

from collections.abc import Mapping
from typing import Final
from urllib.parse import parse_qsl

from pancake_meter.http.request import Routes, text_body

FORM_BYTES_MAX: Final = 64_000
_FIELDS_MAX: Final = 50


class UnreadableForm(Exception):
    """What was sent is no form of ours."""


def read_form(app: Routes) -> Mapping[str, str]:
    """Return the fields of the form in hand, without white space around them; an empty one is left out.

    Raises:
        UnreadableForm: it is no form, has too many fields, or a field twice.
        BodyTooLarge, MalformedJson: as ``text_body``.
    """
    try:
        pairs = parse_qsl(
            text_body(app, FORM_BYTES_MAX), strict_parsing=False, max_num_fields=_FIELDS_MAX, errors="strict"
        )
    except ValueError as error:
        raise UnreadableForm("the form cannot be read") from error
    fields = {name: text.strip() for name, text in pairs}
    if len(fields) != len(pairs):
        raise UnreadableForm("the form has a field twice")
    return {name: text for name, text in fields.items() if text}
