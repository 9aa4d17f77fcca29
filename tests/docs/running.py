"""What runs a block: Python in one namespace per page, commands through the CLI, YAML through the library's readers."""

from __future__ import annotations

import contextlib
import doctest
import io
import os
import re
import shlex
import subprocess
import sys
from pathlib import Path
from typing import Any

import yaml
from typer.testing import CliRunner

from textclassify import LabelSchema
from textclassify.apps.cli import app
from textclassify.runs.config import Config

from .blocks import ROOT, Block, Page

OTHER_PROGRAMS = {"pip", "ollama", "vllm", "llama-server", ".", "git", "cd"}
"""Named in the docs, and not ours to test."""
_ASSIGNED = re.compile(r"[A-Z][A-Z0-9_]*=")


class Reader:
    """A reader who does what a page says, in a folder of their own."""

    def __init__(self, names: dict[str, Any]) -> None:
        self.names = names
        self.shown = ""
        self.done: list[Block] = []

    def read(self, page: Page) -> None:
        """Do what every block says.

        Raises:
            AssertionError: a block does not do what the page says; the message says where it stands.

        """
        for block in page.blocks:
            try:
                {"python": self._python, "bash": self._bash, "yaml": self._yaml, "text": self._text}[block.language](
                    block
                )
            except Exception as error:
                raise AssertionError(f"{block.place}: {type(error).__name__}: {error}") from error
            self.done.append(block)

    def _python(self, block: Block) -> None:
        shown = io.StringIO()
        with contextlib.redirect_stdout(shown):
            exec(compile(block.code, block.place, "exec"), self.names)
        self.shown = shown.getvalue()

    def _yaml(self, block: Block) -> None:
        """Keep the file under the name in its first line; it must be a configuration or labels."""
        name = re.match(r"# (\S+\.yaml)\b", block.code)
        path = Path(name[1] if name else "unnamed.yaml")
        path.write_text(block.code, encoding="utf-8")
        if "labels" in path.stem:
            LabelSchema.of(path)
        else:
            Config.of(yaml.safe_load(block.code))

    def _text(self, block: Block) -> None:
        """A text block behind a block that was run is what comes of it; `...` stands for anything."""
        if not self.done or self.done[-1].language not in {"python", "bash"}:
            return
        flags = doctest.ELLIPSIS | doctest.NORMALIZE_WHITESPACE
        assert doctest.OutputChecker().check_output(block.code, self.shown, flags), (
            f"promised:\n{block.code}\nshown:\n{self.shown}"
        )

    def _bash(self, block: Block) -> None:
        self.shown = ""
        for line in block.code.replace("\\\n", " ").splitlines():
            words = list(shlex.shlex(line, posix=True, punctuation_chars="|>"))
            if words:
                lexer = shlex.shlex(line, posix=True, punctuation_chars="|>")
                lexer.whitespace_split = True
                self.shown += self._piped(list(lexer))

    def _piped(self, words: list[str]) -> str:
        """Run `a | b > file`."""
        shown, target = "", None
        if ">" in words:
            target = words[words.index(">") + 1]
            words = words[: words.index(">")]
        while words:
            end = words.index("|") if "|" in words else len(words)
            shown, words = self._command(words[:end], shown), words[end + 1 :]
        if target is not None:
            Path(target).write_text(shown, encoding="utf-8")
            return ""
        return shown

    def _command(self, words: list[str], stdin: str) -> str:
        if words[0] == "export":
            words = words[1:]
        while words and _ASSIGNED.match(words[0]):
            name, value = words.pop(0).split("=", 1)
            if not name.endswith("_KEY"):
                os.environ[name] = value  # the page's fixture puts everything back
        if not words or words[0] in OTHER_PROGRAMS:
            return ""
        if words[0] == "make":
            assert re.search(rf"^{words[1]}:", (ROOT / "Makefile").read_text(encoding="utf-8"), re.MULTILINE)
            return ""
        if words[0] == "textclassify":
            done = CliRunner().invoke(app, words[1:], input=stdin or None)
            assert done.exit_code == 0, done.output
            return done.stdout
        program = [sys.executable, str(ROOT / words[1]), *words[2:]] if words[0] == "python" else words
        assert words[0] in {"python", "echo", "cat", "head"}, f"how is {words[0]!r} run?"
        ran = subprocess.run(program, input=stdin, capture_output=True, text=True, check=False)
        assert ran.returncode == 0, ran.stderr
        return ran.stdout
