"""Sections that one command shows and that no report has."""
