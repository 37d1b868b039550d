"""Usage metering, quotas and overage for products sold through Waffo Pancake: what all functions of the stack share."""
