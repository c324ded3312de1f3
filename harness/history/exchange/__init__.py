"""Kept figures to and from the formats of other tools."""
