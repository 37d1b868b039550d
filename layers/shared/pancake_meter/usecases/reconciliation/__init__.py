"""The room `reconciliation` of this floor: what webhooks missed, read from Waffo."""
