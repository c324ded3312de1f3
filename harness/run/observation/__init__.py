"""What is seen of a run from outside, by pages, stores and sinks, and held against what was sent."""
