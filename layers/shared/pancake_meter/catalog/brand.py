"""The seller as customers see it on pages: name, logo, colour and language."""

from typing import Final

from pancake_meter.value import Value

LANGUAGES: Final = ("en", "zh-Hans")
"""Languages that pages have."""

DEFAULT_COLOR: Final = "#2f5bea"


class Brand(Value):
    """What pages show of the seller; ``None`` where the catalog says nothing.

    ``color`` is ``#rrggbb``. ``language`` is that of a page where the browser asks for none that pages have. ``home_url`` is
    where a page leads back to, ``support_url`` where a customer finds help (https, or mailto).
    """

    name: str | None = None
    logo_url: str | None = None
    color: str = DEFAULT_COLOR
    language: str = "en"
    home_url: str | None = None
    support_url: str | None = None
