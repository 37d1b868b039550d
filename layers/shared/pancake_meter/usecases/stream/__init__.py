"""The room `stream` of this floor: what follows from a change of the table, off the request path."""
