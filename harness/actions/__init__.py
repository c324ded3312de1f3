"""What commands do between their flags and their output: they measure, collect and decide, and print nothing."""
