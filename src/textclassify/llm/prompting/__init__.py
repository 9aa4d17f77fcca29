"""What a language model reads: prompts, templates, packs of texts, and examples."""
