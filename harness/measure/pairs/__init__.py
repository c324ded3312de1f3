"""Pairs of fresh processes: their start, their interleaved blocks, and their schedule."""
