"""The live page of a run: a small web server in a process of its own, and the run's end of the pipes to it."""
