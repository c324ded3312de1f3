"""Sections on a service that records: its event loop, and the answer for one that is described."""
