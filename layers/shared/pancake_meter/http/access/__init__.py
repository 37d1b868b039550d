"""The room `access` of this floor: what is kept of one customer, given out and erased."""
