"""The room `access` of this floor: API keys; one customer's data, given out and erased."""
