"""Sending lines on schedule, with an account of each: clock, driver, recorder, ledger."""
