"""What `EmbeddingClassifier` is made of: features in batches, the networks that read them, their training."""
