"""Several workers for one run: started, brought to one clock, begun at one instant, and asked for what they did."""
