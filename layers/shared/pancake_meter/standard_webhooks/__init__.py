"""Sending webhooks as https://www.standardwebhooks.com has them, to addresses that strangers cannot turn against us."""
