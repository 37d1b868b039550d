"""Issue 16, point 4: whatever colour a seller has, what is written in it, and on it, can be read."""

import re
from colorsys import rgb_to_hls

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pancake_meter.catalog.brand import DEFAULT_COLOR
from pancake_pages.assets import STATIC
from pancake_pages.colors import (
    DARK,
    DARK_HARDEST,
    LEAST_CONTRAST,
    LIGHT,
    LIGHT_HARDEST,
    brand_style,
    contrast,
    readable,
    text_on,
)

COLORS = st.integers(min_value=0, max_value=0xFFFFFF).map("#{:06x}".format)


GROUNDS = (LIGHT_HARDEST, DARK_HARDEST)


@pytest.mark.parametrize("ground", [LIGHT, DARK, *GROUNDS])
@given(color=COLORS)
def test_every_colour_can_be_read_on_a_light_and_on_a_dark_page(ground: str, color: str) -> None:
    found = readable(color, ground)
    assert re.fullmatch(r"#[0-9a-f]{6}", found)
    assert contrast(found, ground) >= LEAST_CONTRAST


@given(COLORS)
def test_every_button_can_be_read(color: str) -> None:
    for ground in GROUNDS:
        button = readable(color, ground)
        assert contrast(text_on(button), button) >= LEAST_CONTRAST


@given(COLORS)
def test_a_colour_that_can_be_read_stays_what_it_is(color: str) -> None:
    for ground in (LIGHT, DARK):
        if contrast(color, ground) >= LEAST_CONTRAST:
            assert readable(color, ground) == color


@given(COLORS)
def test_a_colour_keeps_its_hue(color: str) -> None:
    hues = [
        rgb_to_hls(*(int(each[i : i + 2], 16) / 255 for i in (1, 3, 5))) for each in (color, readable(color, LIGHT))
    ]
    (hue, _, saturation), (kept, lightness, _) = hues
    if saturation > 0.3 and lightness > 0.1:
        assert min(abs(hue - kept), 1 - abs(hue - kept)) < 0.05


def test_contrast_is_that_of_wcag() -> None:
    assert contrast("#000000", "#ffffff") == pytest.approx(21)
    assert contrast("#767676", "#ffffff") == pytest.approx(4.54, abs=0.005)
    assert contrast("#ffffff", "#767676") == contrast("#767676", "#ffffff")
    assert contrast("#123456", "#123456") == 1


@given(COLORS)
def test_the_style_sheet_names_nothing_but_colours(color: str) -> None:
    assert re.fullmatch(
        r":root\{--brand:#[0-9a-f]{6};--on-brand:#[0-9a-f]{6}\}\n"
        r"@media \(prefers-color-scheme:dark\)\{:root\{--brand:#[0-9a-f]{6};--on-brand:#[0-9a-f]{6}\}\}\n",
        brand_style(color),
    )


def style_colors() -> list[dict[str, str]]:
    """The colours of ``pages.css``, of a light and of a dark page."""
    sheet = (STATIC / "pages.css").read_text(encoding="utf-8")
    blocks = re.findall(r":root \{(.*?)\}", sheet, re.DOTALL)
    return [dict(re.findall(r"--([\w-]+): (#[0-9a-f]{6});", block)) for block in blocks]


@pytest.mark.parametrize(("scheme", "ground"), [(0, LIGHT), (1, DARK)])
def test_the_colours_of_pages_can_be_read(scheme: int, ground: str) -> None:
    colors = style_colors()[scheme]
    assert colors["ground"] == ground
    pairs = [(text, on) for text in ("text", "soft") for on in ("ground", "card", "sunken")]
    pairs += [(each, f"{each}-ground") for each in ("good", "warn", "bad")]
    pairs += [("bad", "card"), ("bad", "ground")]
    assert {pair: contrast(*(colors[each] for each in pair)) for pair in pairs if _is_faint(colors, pair)} == {}


def _is_faint(colors: dict[str, str], pair: tuple[str, str]) -> bool:
    return contrast(colors[pair[0]], colors[pair[1]]) < LEAST_CONTRAST


@pytest.mark.parametrize("scheme", [0, 1])
@given(color=COLORS)
def test_links_in_the_sellers_colour_can_be_read_wherever_they_stand(scheme: int, color: str) -> None:
    colors = style_colors()[scheme]
    (link,) = re.findall(r"--brand:(#[0-9a-f]{6})", brand_style(color).splitlines()[scheme])
    assert min(contrast(link, colors[ground]) for ground in ("ground", "card", "sunken")) >= LEAST_CONTRAST


def test_the_default_colour_is_left_as_it_is_on_a_light_page() -> None:
    assert readable(DEFAULT_COLOR, LIGHT_HARDEST) == DEFAULT_COLOR
