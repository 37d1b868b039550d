"""The Waffo Pancake adapter: keys, request signing, the API client, webhook verification and event models.

Facts are from the official SDK ``@waffo/pancake-ts`` 0.25.0, which is also the referee of the contract tests. Nothing
is imported here: the webhook intake must not pay for httpx, which only ``client`` needs.
"""
