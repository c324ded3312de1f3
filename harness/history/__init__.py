"""Runs kept for ever, their fingerprints, and the detection of change."""
