"""The code blocks of README and docs, as a reader meets them."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).parents[2]
_FENCE = re.compile(r"^(?P<fence>`{3,})(?P<language>[^\n`]*)\n(?P<code>.*?)^(?P=fence)$", re.MULTILINE | re.DOTALL)
_LINE = re.compile(r"^\s*(?:`{3,}|:{3,}|~{3,})", re.MULTILINE)


@dataclass(frozen=True)
class Block:
    """One fenced block: what kind it is, its lines, and where it stands."""

    place: str
    language: str
    code: str


@dataclass(frozen=True)
class Page:
    """What is read and run in one go: a page of the site, or a section of the README, which readers copy from."""

    name: str
    text: str
    first_line: int = 1

    @property
    def blocks(self) -> list[Block]:
        """The blocks in their order; directives of the site, such as a table of contents, are none."""
        found = []
        for match in _FENCE.finditer(self.text):
            line = self.first_line + self.text.count("\n", 0, match.start())
            if not match["language"].startswith("{"):
                found.append(Block(f"{self.name}, line {line}", match["language"].strip(), match["code"]))
        return found

    @property
    def fences(self) -> tuple[int, int]:
        """How many lines look like fences, and how many belong to blocks that were found."""
        return len(_LINE.findall(self.text)), 2 * len(_FENCE.findall(self.text))


def pages() -> Iterator[Page]:
    """Yield the README's sections, then the pages of the site."""
    readme = (ROOT / "README.md").read_text(encoding="utf-8")
    line = 1
    for part in re.split(r"^(?=##+ )", readme, flags=re.MULTILINE):
        yield Page(f"README.md: {part.splitlines()[0].lstrip('# ')}", part, line)
        line += part.count("\n")
    for path in sorted((ROOT / "docs").rglob("*.md")):
        yield Page(path.relative_to(ROOT).as_posix(), path.read_text(encoding="utf-8"))
