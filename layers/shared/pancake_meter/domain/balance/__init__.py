"""The room `balance` of this floor: one customer's state for one meter."""
