"""A language model that runs in this process: exact likelihoods of its answers."""
