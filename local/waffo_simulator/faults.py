"""What the simulator does wrong when it is asked to. Chance comes from a seed, so that every run goes the same way."""

import random
from dataclasses import dataclass


@dataclass(kw_only=True)
class Faults:
    """The misbehaviour in force.

    Webhooks: `duplicate` further copies of each delivery, sent at the same moment; `shuffle` so many deliveries are held
    back and then sent in random order (0: off, -1: all, until they are flushed); `delay_seconds` before each delivery;
    the next `drop` deliveries, or each with `drop_probability`, never leave and end as failed.
    API: the next `create_session_timeout_after_commit` sessions are made but not answered for `hold_seconds` (a 502
    ends the wait), and so are the next `action_timeout_after_commit` cancellations, reactivations and refund tickets; the
    next `api_failures` calls are a 502 without effect; each call takes `api_delay_seconds`;
    `graphql_lags`: GraphQL goes on showing everything but deliveries as it was when this was set.
    """

    duplicate: int = 0
    shuffle: int = 0
    delay_seconds: float = 0.0
    drop: int = 0
    drop_probability: float = 0.0
    create_session_timeout_after_commit: int = 0
    action_timeout_after_commit: int = 0
    hold_seconds: float = 30.0
    api_failures: int = 0
    api_delay_seconds: float = 0.0
    graphql_lags: bool = False
    seed: int = 0

    def __post_init__(self) -> None:
        self._random = random.Random(self.seed)  # noqa: S311 - reproducible chance

    def drops_next(self) -> bool:
        """Whether the next delivery is lost."""
        if self.drop:
            self.drop -= 1
            return True
        return self._random.random() < self.drop_probability

    def shuffled(self, items: list[str]) -> list[str]:
        """The items in an order that only the seed decides."""
        return self._random.sample(items, len(items))

    def fails_next_call(self) -> bool:
        """Whether the next API call fails without effect."""
        failing = self.api_failures > 0
        self.api_failures -= failing
        return failing

    def loses_next_action_answer(self) -> bool:
        """Whether the answer to this cancellation, reactivation or refund ticket never arrives."""
        lost = self.action_timeout_after_commit > 0
        self.action_timeout_after_commit -= lost
        return lost

    def loses_next_session_answer(self) -> bool:
        """Whether the answer to this create-session never arrives."""
        lost = self.create_session_timeout_after_commit > 0
        self.create_session_timeout_after_commit -= lost
        return lost
