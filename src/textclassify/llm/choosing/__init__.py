"""Questions that need no label schema: choices between fixed answers, and free text."""
