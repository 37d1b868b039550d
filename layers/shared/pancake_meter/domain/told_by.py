"""How an event came to us: Waffo sent it, or we asked Waffo's API because it had not."""

from typing import Literal

ToldBy = Literal["webhook", "reconciliation"]
