"""The seller's console: who is signed in, what the key's roles open, and how its pages show what the API answers."""
