"""Which texts deserve a language model under a budget, and what that buys."""
