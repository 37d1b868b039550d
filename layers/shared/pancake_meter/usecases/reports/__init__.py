"""The room `reports` of this floor: months, revenue and backlog."""
