"""What `ResultsManager` is made of: run folders, their records, predictions, costs and comparisons."""
