"""Classifiers that learn from labelled texts: a linear model on word and character n-grams, fine-tuned encoders."""
