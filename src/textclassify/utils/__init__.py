"""Helpers under the names of the published API: they translate arguments, and what they do is done elsewhere."""
