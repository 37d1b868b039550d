"""The room `webhooks` of this floor: deliveries from Waffo."""
