"""Where to work: the analytic model, coverage curves, operating points."""
