"""A new on-demand table under a load that begins at once: minute by minute until all of it is taken."""

from typing import Final

from tests.load.aws_rules import GROWTH_FACTOR, GROWTH_MINUTES, NEW_TABLE_WRITES, TABLE_WRITES

DAY_MINUTES: Final = 24 * 60


def taken(needed: float) -> list[float]:
    """Return the write units a second that the table takes in each minute, at AWS's rule at its worst.

    It takes double the peak that was reached half an hour ago or earlier, and no more than its quota. The list ends with the
    first minute that takes what is needed, or all that the quota allows.
    """
    story: list[float] = []
    while len(story) < DAY_MINUTES:
        old = story[: len(story) + 1 - GROWTH_MINUTES.value] if len(story) >= GROWTH_MINUTES.value else []
        most = max(NEW_TABLE_WRITES.value, GROWTH_FACTOR.value * max(old, default=0))
        story.append(min(needed, most, TABLE_WRITES.value))
        if story[-1] >= min(needed, TABLE_WRITES.value):
            break
    return story
