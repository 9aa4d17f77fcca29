"""A run's report as one page of HTML that needs nothing else."""

from textclassify.runs.page.writing import write_page

__all__ = ["write_page"]
