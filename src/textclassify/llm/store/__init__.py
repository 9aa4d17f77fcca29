"""What is kept of language models' answers: the cache, its claims between processes, and the ledger."""
