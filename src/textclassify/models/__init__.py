"""Weights and vectors, wherever they come from: names to folders, folders to models, texts to vectors."""
