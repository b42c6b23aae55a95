"""The configuration: its schema and its resolvers."""
