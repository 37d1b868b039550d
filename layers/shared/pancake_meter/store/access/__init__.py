"""The room `access` of this floor: API keys."""
