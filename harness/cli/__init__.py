"""The command line: parses, calls, prints, exits; the only place that does."""
