"""What the stack does, one file a use case. Each takes its collaborators and the present instant as arguments."""
