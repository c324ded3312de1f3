"""The answer for one described service: what recording costs it, and what breaks first."""
