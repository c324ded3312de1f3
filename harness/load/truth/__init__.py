"""What was sent: the account of every line, and what pages and views must show from it."""
