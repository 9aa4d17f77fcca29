"""Parts of the feature store: what features are, the folder, its shards, the index of texts, rows read when needed."""
