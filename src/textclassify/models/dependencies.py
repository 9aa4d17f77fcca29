"""The one message for an optional dependency that is not installed."""

from collections.abc import Iterator
from contextlib import contextmanager

from textclassify.errors import MissingDependencyError


@contextmanager
def needs_extra(extra: str = "torch") -> Iterator[None]:
    """Run imports whose absence is told to the user as the extra to install.

    Raises:
        MissingDependencyError: a module imported in the block is not installed.
    """
    try:
        yield
    except ModuleNotFoundError as error:
        raise MissingDependencyError(
            f"this part of textclassify needs the package {error.name!r}, which is not installed; "
            f'install it with: pip install "textclassify[{extra}]"',
            name=error.name,
        ) from error
