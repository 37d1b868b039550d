"""The room `access` of this floor: API keys are checked, made, rotated and revoked."""
