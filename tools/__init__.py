"""What the checks need: not deployed, not part of the local stack."""
