"""The parts put together: one store, its time, its state, and what acts on them."""

from copy import deepcopy

import httpx

from local.waffo_simulator.checkout import Checkout
from local.waffo_simulator.clock import Clock
from local.waffo_simulator.config import SimulatorConfig
from local.waffo_simulator.delivering import Deliverer
from local.waffo_simulator.faults import Faults
from local.waffo_simulator.ids import Ids
from local.waffo_simulator.model import EVENT_TYPES, State, Webhook
from local.waffo_simulator.notifying import Notifier
from local.waffo_simulator.signing import Tokens, merchant_key, platform_key, public_pem
from local.waffo_simulator.subscriptions import Subscriptions


class Simulator:
    """One simulated Waffo. `public_key_pem` verifies its webhooks. Raises `ValueError`: a key cannot be used."""

    def __init__(self, config: SimulatorConfig) -> None:
        self.config = config
        self.merchant_key = merchant_key(config.merchant_public_key_pem)
        self.webhook_key = platform_key(config.webhook_private_key_pem)
        self.public_key_pem = public_pem(self.webhook_key)
        self.clock = Clock(told_in=config.clock_file)
        self.tokens = Tokens()
        self.http = httpx.AsyncClient(timeout=config.delivery_timeout_seconds, follow_redirects=False, trust_env=False)
        self.deliverer = Deliverer(self.http, self.clock, config.retry_base_seconds)
        self._begin()

    def hold_graphql(self, *, hold: bool) -> None:
        """Let GraphQL show the state as it is now for as long as this holds; or as it is at each time again."""
        self.shown = deepcopy(self.state) if hold else self.state
        self.shown.deliveries = self.state.deliveries

    async def reset(self) -> None:
        """Begin again: the configured products and webhook, no orders, no faults, the wall clock's time."""
        await self.deliverer.forget()
        self.deliverer.faults = Faults()
        self.clock.reset()
        self._begin()

    async def close(self) -> None:
        """Stop every delivery."""
        await self.deliverer.forget()
        await self.http.aclose()

    def add_webhook(self, url: str, events: tuple[str, ...] = EVENT_TYPES, *, test_mode: bool | None = None) -> Webhook:
        """Register a webhook, by default for every event of this simulator's mode."""
        mode = self.config.mode == "test" if test_mode is None else test_mode
        webhook = Webhook(id=self.ids.uuid(), url=url, events=events, test_mode=mode, created_at=self.clock.now())
        self.state.webhooks[webhook.id] = webhook
        return webhook

    def _begin(self) -> None:
        self.ids = Ids(self.config.seed)
        self.state = State(products={product.id: product for product in self.config.products})
        self.shown = self.state
        self.notifier = Notifier(self.config, self.state, self.ids, self.webhook_key, self.deliverer)
        self.subscriptions = Subscriptions(self.state, self.ids, self.notifier)
        self.checkout = Checkout(self.state, self.ids, self.notifier, self.subscriptions)
        if self.config.webhook_url:
            self.add_webhook(self.config.webhook_url)
