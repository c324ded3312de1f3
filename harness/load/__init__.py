"""Sends lines on schedule and keeps the truth about what became of each: clock, driver, recorder, ledger."""
