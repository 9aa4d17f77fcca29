"""The documentation site: `make docs` builds it into build/docs, with warnings as errors."""

from __future__ import annotations

import sys
from pathlib import Path

from sphinx.application import Sphinx

sys.path.insert(0, str(Path(__file__).parent))

import generated
from textclassify import __version__

project = "textclassify"
author = "The textclassify developers"
copyright = author  # noqa: A001 - Sphinx's name for it
version = release = __version__

extensions = ["myst_parser", "sphinx.ext.autodoc", "sphinx.ext.napoleon", "sphinx.ext.viewcode", "sphinx_copybutton"]
nitpicky = False  # types of other libraries have no pages here

html_theme = "furo"
html_title = f"textclassify {__version__}"
html_static_path: list[str] = []
html_show_sphinx = False

myst_enable_extensions = ["colon_fence", "deflist"]
myst_heading_anchors = 3

autodoc_member_order = "bysource"
autodoc_typehints = "signature"
autodoc_class_signature = "mixed"
default_role = "code"  # docstrings write `code` as Markdown does
napoleon_google_docstring = True
napoleon_numpy_docstring = False


def _fill_in(_: Sphinx, page: str, source: list[str]) -> None:
    """Replace a page's marker by what is read from the package, so that it cannot grow old."""
    for marker, text in generated.PAGES.get(page, {}).items():
        source[0] = source[0].replace(marker, text())


def _is_sklearns(_: Sphinx, __: str, name: str, *___: object) -> bool | None:
    """Leave out the methods for metadata routing that scikit-learn gives every estimator."""
    return True if name.startswith("set_") and name.endswith("_request") else None


def setup(app: Sphinx) -> None:
    """Have generated parts filled in while pages are read."""
    app.connect("source-read", _fill_in)
    app.connect("autodoc-skip-member", _is_sklearns)
