"""The room `stream` of this floor: the changes of the table, as its stream tells them."""
