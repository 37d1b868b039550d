"""The room `alerts` of this floor: events that ring once for the seller."""
