"""Paired experiments, the ladder, instruction counts and their statistics."""
