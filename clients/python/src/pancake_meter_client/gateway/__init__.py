"""What a logger inside an LLM gateway decides: pure, and without the gateway's own code."""
