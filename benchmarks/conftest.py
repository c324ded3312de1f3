"""Speed bars for all benchmarks."""

from benchmarks.bars import hold, pytest_addoption, pytest_terminal_summary

__all__ = ["hold", "pytest_addoption", "pytest_terminal_summary"]
