"""The room `standing` of this floor: customers, and how they stand."""
