"""What a student without a language model learns from a fusion's answers."""
