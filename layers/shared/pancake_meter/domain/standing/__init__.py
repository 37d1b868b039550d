"""The room `standing` of this floor: what a customer's orders come to."""
