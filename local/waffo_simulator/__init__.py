"""Waffo Pancake on one machine: signs, answers, sells and notifies as the real one does, and misbehaves on request.

State lives in memory; it listens on 127.0.0.1 only; it is never deployed. It shares no code with the stack that it
stands opposite to: the official SDK is the referee of both. Not simulated: product groups, emails, analytics.

Public: `SimulatorConfig`, `Product` (config), `create_app` (app), `python -m local.waffo_simulator`.
"""
