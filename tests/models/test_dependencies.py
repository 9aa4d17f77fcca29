"""What a user reads who has not installed an extra."""

import pytest

from textclassify.errors import MissingDependencyError
from textclassify.models.dependencies import needs_extra


def test_a_missing_package_is_named_with_the_command_that_installs_it():
    remedy = r'no_such_module.*pip install "textclassify\[torch\]"'
    with pytest.raises(MissingDependencyError, match=remedy) as caught, needs_extra("torch"):
        import no_such_module  # noqa: F401

    assert caught.value.name == "no_such_module"
