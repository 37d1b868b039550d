"""A fuzz run: schemathesis makes requests from docs/openapi.json and judges the answers by it."""
