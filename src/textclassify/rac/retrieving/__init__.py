"""Parts of retrieval: members, their weights, search, candidates, hierarchies, recall."""
