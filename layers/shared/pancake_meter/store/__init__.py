"""The DynamoDB adapter: one table, described in docs/data-model.md."""
