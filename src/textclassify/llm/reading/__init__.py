"""How replies become scores: label names, log-probabilities, scores in words, votes."""
