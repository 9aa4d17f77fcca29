"""Looking after label cards: what is wrong with them, and drafts of missing descriptions."""
