"""The room `access` of this floor: who may call which route."""
