"""Exchange of stored figures with the formats of other tools."""
