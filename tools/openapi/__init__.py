"""docs/openapi.json, made from the table of routes, the wire models, and what ``rooms/`` says of each route."""
