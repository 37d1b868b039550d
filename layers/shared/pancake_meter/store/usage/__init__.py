"""The room `usage` of this floor: what was used, and the formats it arrives in."""
