"""The HTTP edge: JSON without floats, wire models, headers, and problem+json."""
