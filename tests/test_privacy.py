"""docs/privacy.md says of every provider where texts go and which key goes along, as the code has it."""

import re
from pathlib import Path

import pytest

from textclassify.core.storage import CACHE_VARIABLE
from textclassify.llm.http.providers import PROVIDERS
from textclassify.llm.money.limits import OFFLINE_VARIABLE
from textclassify.llm.store.cache_file import FILE
from textclassify.models.sources import DEFAULT_ENCODER, PATHS_VARIABLE

PAGE = (Path(__file__).parents[1] / "docs" / "privacy.md").read_text(encoding="utf-8")
ROWS = [re.findall(r"`([^`]+)`", line) for line in PAGE.splitlines() if re.match(r"\| `\w+` \| `http", line)]


@pytest.mark.parametrize("provider", PROVIDERS.values(), ids=list(PROVIDERS))
def test_every_provider_is_there_with_its_address_and_variables(provider):
    """A provider that is added to the table is added to the page."""
    (row,) = [row for row in ROWS if row[0] == provider.name]

    assert row[1:] == [provider.base_url, provider.base_url_variable, *provider.key_variables]


def test_no_provider_is_there_that_the_library_does_not_know():
    assert {row[0] for row in ROWS} == set(PROVIDERS)


def test_other_addresses_of_a_provider_are_named():
    """Log-probabilities are asked for elsewhere."""
    assert all(provider.native_url in PAGE for provider in PROVIDERS.values() if provider.native_url)


@pytest.mark.parametrize("name", [CACHE_VARIABLE, OFFLINE_VARIABLE, PATHS_VARIABLE, FILE, DEFAULT_ENCODER])
def test_what_the_page_names_has_that_name(name):
    """A variable that is misspelt protects nobody."""
    assert f"`{name}" in PAGE
