"""Colours: the seller's colour, made to be read on a light and on a dark page.

Contrast is WCAG 2.2's: text has 4.5 to 1 or more against what it stands on.
"""

import colorsys
from typing import Final

LEAST_CONTRAST: Final = 4.5
LIGHT: Final = "#ffffff"
DARK: Final = "#14161b"
"""What pages stand on, and the text on the seller's colour; ``static/pages.css`` has the same."""

LIGHT_HARDEST: Final = "#f4f5f7"
DARK_HARDEST: Final = "#23272f"
"""What is hardest to read on, of all that a page has: what is read here is read on the page and on its cards too."""

_STEPS: Final = 100
_LINEAR_TO: Final = 0.04045

Rgb = tuple[float, float, float]


def brand_style(color: str) -> str:
    """Return a style sheet that names the seller's colour (``#rrggbb``) for both kinds of page."""
    light, dark = readable(color, LIGHT_HARDEST), readable(color, DARK_HARDEST)
    return (
        f":root{{--brand:{light};--on-brand:{text_on(light)}}}\n"
        f"@media (prefers-color-scheme:dark){{:root{{--brand:{dark};--on-brand:{text_on(dark)}}}}}\n"
    )


def brand_icon(color: str) -> str:
    """Return the picture in a page's tab, in the seller's colour. Without one a browser asks for a file we have not."""
    return (
        '<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 32 32">'
        f'<rect width="32" height="32" rx="8" fill="{color}"/></svg>\n'
    )


def readable(color: str, ground: str) -> str:
    """Return ``color``, or the nearest lighter or darker one that can be read on ``ground``."""
    hue, lightness, saturation = colorsys.rgb_to_hls(*_rgb(color))
    goes_up = _luminance(_rgb(ground)) < _luminance(_rgb("#808080"))
    for step in range(_STEPS + 1):
        moved = lightness + ((1 - lightness) if goes_up else -lightness) * step / _STEPS
        found = _hex(colorsys.hls_to_rgb(hue, moved, saturation))
        if contrast(found, ground) >= LEAST_CONTRAST:
            return found
    return LIGHT if goes_up else DARK


def text_on(color: str) -> str:
    """Return the text colour that is read best on ``color``: white or nearly black."""
    return max((LIGHT, DARK), key=lambda text: contrast(text, color))


def contrast(one: str, other: str) -> float:
    """Return the contrast of two colours, 1 to 21."""
    darker, lighter = sorted((_luminance(_rgb(one)), _luminance(_rgb(other))))
    return (lighter + 0.05) / (darker + 0.05)


def _rgb(color: str) -> Rgb:
    red, green, blue = (int(color[start : start + 2], 16) / 255 for start in (1, 3, 5))
    return red, green, blue


def _hex(rgb: Rgb) -> str:
    return "#" + "".join(f"{round(part * 255):02x}" for part in rgb)


def _luminance(rgb: Rgb) -> float:
    # WCAG's relative luminance of sRGB.
    red, green, blue = (part / 12.92 if part <= _LINEAR_TO else ((part + 0.055) / 1.055) ** 2.4 for part in rgb)
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue
