"""Sections of a report: each turns a result into tables, pictures and notes, in no format."""
