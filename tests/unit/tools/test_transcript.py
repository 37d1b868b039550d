"""The transcript is written the same in every run, and its page is the script's."""

import re
from pathlib import Path

from tools.transcript import HEAD, PAGE, SECTIONS, Mask

READY = {
    "api_url": "http://127.0.0.1:40123",
    "waffo_url": "http://127.0.0.1:40124",
    "aws_endpoint_url": "http://127.0.0.1:40125",
    "waffo_private_key_file": "/somewhere/key.pem",
}
FIRST, SECOND = "a" * 64, "0123456789abcdef" * 4


def test_an_id_stays_one_id_and_as_long_as_it_was() -> None:
    mask = Mask(READY, Path("/somewhere/else"))
    first, second, again = mask(f"{FIRST} {SECOND} {FIRST}").split()
    assert first == again
    assert first != second
    assert len(first) == len(second) == 64
    # And it stays that id when it is seen once more, masked already or not.
    assert mask(FIRST) == first


def test_times_links_keys_and_places_are_written_the_same() -> None:
    mask = Mask(READY, Path("/somewhere/else"))
    text = "{}/buy/{} at {}, for {}, of {}, in {}"
    runs = [
        text.format(READY["api_url"], link, at, key, order, "/somewhere/else/profiles.json")
        for link, at, key, order in (
            ("gAAAAA-_x", "2026-11-26T15:08:40.078Z", "pm_test_Abc1", "ORD_0K8CVx754HbcGTYRdWZoxP"),
            ("gAAAAAy0", "2027-01-02T00:00:00.000Z", "pm_test_Def2", "ORD_QdNat2qU2PlECqIwnYPiFZ"),
        )
    ]
    assert {Mask(READY, Path("/somewhere/else"))(run) for run in runs} == {mask(runs[0])}
    assert "40123" not in mask(runs[0])
    assert "/somewhere" not in mask(runs[0])


def test_the_page_has_the_sections_and_commands_of_the_script() -> None:
    page = PAGE.read_text(encoding="utf-8")
    assert page.startswith(HEAD)
    assert re.findall(r"^## (.+)$", page, re.MULTILINE) == [section.title for section in SECTIONS]
    typed = re.findall(r"^\$ (.+)$", page, re.MULTILINE)
    steps = [step.command for section in SECTIONS for step in section.steps]
    assert len(typed) == len(steps)
    for command, shown in zip(steps, typed, strict=True):
        pattern = re.sub(r"\\\{[a-z_]+\\\}", r"\\w+", re.escape(command))
        assert re.fullmatch(pattern, shown), shown
