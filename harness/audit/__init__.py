"""The comparison of what was sent with what was exposed and stored, with a name for each difference."""
