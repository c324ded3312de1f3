"""Pairs of fresh processes: started, interleaved in blocks, scheduled until they decide."""
