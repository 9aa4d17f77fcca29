"""From a configuration to a run: what is built, what it is worth, and what is written down about it."""
