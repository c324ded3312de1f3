"""Stored runs, their fingerprints, and the detection of changes."""
