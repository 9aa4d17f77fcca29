"""Retrieval: which labels resemble a text, judged by the vectors of a frozen encoder."""
