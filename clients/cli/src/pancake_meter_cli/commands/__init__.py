"""One module a noun. Each asks the API, and shows the answer."""
