"""The LiteLLM adapter: what the proxy tells of model calls, in our own terms."""
