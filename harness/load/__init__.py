"""Clock, paced driver, column recorder and ledger: sends lines on schedule and accounts for each of them."""
