"""Instructions and allocated bytes for each line, counted and not timed."""
