"""A matplotlib figure as a part of a page: its colours are the page's, and nothing in it is markup but what was drawn.

A page that allows neither foreign styles nor scripts takes no `style` attributes, and several drawings in one page must
not share ids. So the drawing is read and written anew, and only what is known to be harmless comes through.
"""

from __future__ import annotations

import io
import re
import xml.etree.ElementTree as ET
from collections.abc import Mapping
from typing import TYPE_CHECKING

from markupsafe import Markup, escape

from textclassify.runs.plots import FIRST, GRID, INK, MUTED, PAPER, SECOND, THIRD, save_plot

if TYPE_CHECKING:
    from matplotlib.figure import Figure

_COLOURS: Mapping[str, str] = {
    INK: "var(--ink)",
    MUTED: "var(--muted)",
    GRID: "var(--line)",
    PAPER: "none",
    FIRST: "var(--first)",
    SECOND: "var(--second)",
    THIRD: "var(--third)",
}
_SVG, _LINK = "{http://www.w3.org/2000/svg}", "{http://www.w3.org/1999/xlink}href"
_TAGS = frozenset({"svg", "g", "path", "text", "tspan", "use", "defs", "clipPath", "rect"})
_GEOMETRY = frozenset({"d", "x", "y", "width", "height", "transform", "viewBox", "clip-path"})
_STYLES = frozenset(
    {
        "fill",
        "fill-opacity",
        "opacity",
        "stroke",
        "stroke-dasharray",
        "stroke-dashoffset",
        "stroke-linecap",
        "stroke-linejoin",
        "stroke-opacity",
        "stroke-width",
        "text-anchor",
    }
)
_FONT_SIZE = re.compile(r"([\d.]+)px")
_REFERENCE = re.compile(r"url\(#([\w-]+)\)")


def inline_svg(figure: Figure, name: str, words: str) -> Markup:
    """Return a figure as an `svg` element.

    Args:
        figure: drawn with the colours of `runs.plots`.
        name: what makes its ids its own.
        words: what it shows, read aloud instead.

    """
    written = io.BytesIO()
    save_plot(figure, written, "svg")
    root = ET.fromstring(written.getvalue())  # noqa: S314 - written by matplotlib a line above
    body = "".join(_element(child, name) for child in root)
    box = escape(root.get("viewBox", "0 0 400 250"))
    opening = f'<svg class="plot" viewBox="{box}" role="img" aria-label="{escape(words)}">'
    return Markup(f"{opening}{body}</svg>")  # noqa: S704 - every part is escaped


def _element(node: ET.Element, name: str) -> str:
    tag = node.tag.removeprefix(_SVG)
    if tag not in _TAGS:
        return ""
    inside = str(escape(node.text or "")) if tag in {"text", "tspan"} else ""
    inside += "".join(_element(child, name) for child in node)
    attributes = "".join(f' {key}="{escape(value)}"' for key, value in _attributes(node, name).items())
    if tag == "g" and not attributes:
        return inside
    return f"<{tag}{attributes}>{inside}</{tag}>"


def _attributes(node: ET.Element, name: str) -> dict[str, str]:
    kept = {key: value for key, value in node.attrib.items() if key in _GEOMETRY}
    if "clip-path" in kept:
        kept["clip-path"] = _REFERENCE.sub(rf"url(#{name}-\1)", kept["clip-path"])
    if node.tag.removeprefix(_SVG) in {"path", "clipPath"} and "id" in node.attrib:
        kept["id"] = f"{name}-{node.attrib['id']}"
    if _LINK in node.attrib:
        kept["href"] = f"#{name}-{node.attrib[_LINK].removeprefix('#')}"
    for declaration in node.get("style", "").split(";"):
        key, _, value = (part.strip() for part in declaration.partition(":"))
        if key in _STYLES:
            kept[key] = _COLOURS.get(value, value)
        elif key in {"font", "font-size"} and (size := _FONT_SIZE.search(value)):
            kept["font-size"] = size.group(1)
    return kept
