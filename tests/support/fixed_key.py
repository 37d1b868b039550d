"""API keys for tests: one that stays, and one that is changed meanwhile."""

from dataclasses import dataclass, field


@dataclass
class FixedKey:
    """A key; ``next_text`` is what its secret has by now. ``renewals`` counts the readings anew."""

    text: str
    next_text: str | None = None
    renewals: list[bool] = field(default_factory=list)

    def __call__(self) -> str:
        return self.text

    def renew(self) -> bool:
        before, self.text = self.text, self.next_text or self.text
        self.renewals.append(self.text != before)
        return self.text != before
