"""The room `access` of this floor: who may call which route; one customer's data, given out and erased."""
