"""The room `selling` of this floor: plans, prices, payments and checkouts."""
