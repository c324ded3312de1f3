"""The machine and what runs on it: processors, interpreter, loaded libraries."""
