"""One module for each question of `harness overhead`: its plan, its measurement and its answer."""
