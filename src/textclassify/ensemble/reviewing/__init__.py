"""Which rows are worth a person's look, and files to look at them in."""
