"""YAML and JSON as people write them: words stay words, and nothing given twice is dropped."""

import json

import pytest

from textclassify.core.settings_files import expanded, read_settings_file


def read(tmp_path, content, name="file.yaml"):
    (tmp_path / name).write_text(content, encoding="utf-8")
    return read_settings_file(tmp_path / name)


def test_words_that_yaml_calls_booleans_are_words(tmp_path):
    """Only true and false are booleans."""
    assert read(tmp_path, "[yes, No, on, OFF, y, true, False]") == ["yes", "No", "on", "OFF", "y", True, False]


@pytest.mark.parametrize("written", ["01", "007", "12:30", "-010"])
def test_numbers_that_people_write_as_text_are_to_be_quoted(tmp_path, written):
    """01 is the number 1 to YAML, and 12:30 is 750."""
    with pytest.raises(ValueError, match=f"{written} would become another number; quote it to keep it: '{written}'"):
        read(tmp_path, f"a: {written}")
    assert read(tmp_path, f"a: '{written}'") == {"a": written}


def test_plain_numbers_are_numbers(tmp_path):
    assert read(tmp_path, "[0, -3, 10, 1.5, 0x1F]") == [0, -3, 10, 1.5, 31]


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("file.yaml", "a: 1\nb: {c: 1, c: 2}\n"),
        ("file.yaml", "{c: 1, 'c': 2}"),
        ("file.json", '{"a": [{"c": 1, "c": 1}]}'),
    ],
)
def test_a_key_that_is_given_twice_is_refused(tmp_path, name, content):
    """The first one would be dropped without a word."""
    with pytest.raises(ValueError, match="the key 'c' is given twice"):
        read(tmp_path, content, name)


def test_a_merged_key_may_be_given_again(tmp_path):
    """That is what YAML's merges are for."""
    assert read(tmp_path, "a: &A {x: 1, y: 1}\nb: {<<: *A, x: 2}")["b"] == {"x": 2, "y": 1}


@pytest.mark.parametrize("name", ["file.yaml", "file.json"])
def test_what_is_nested_too_deeply_is_refused(tmp_path, name):
    """A parser that gives up is no crash."""
    with pytest.raises(ValueError, match="nested too deeply"):
        read(tmp_path, "[" * 100_000, name)


@pytest.mark.parametrize(
    ("name", "content"), [("a.yaml", "[1"), ("a.json", "[1"), ("a.yaml", "2020-13-45"), ("a.yaml", "\x01")]
)
def test_a_broken_file_is_a_value_error(tmp_path, name, content):
    """Whatever the parser calls it."""
    with pytest.raises(ValueError):  # noqa: PT011 - the parser's own words
        read(tmp_path, content, name)


def test_a_broken_line_is_told_in_one(tmp_path):
    """Seven lines with a picture are no message; line and column find the place."""
    with pytest.raises(ValueError, match=r"^[^\n]*expected[^\n]*\(line 2, column 2\)$"):
        read(tmp_path, "a: [1, 2\nb: 3\n")
    with pytest.raises(ValueError, match=r"^[^\n]*not allowed[^\n]*$"):
        read(tmp_path, "a: \x01")


def test_json_is_read_by_its_own_rules(tmp_path):
    """A character outside the basic plane is two escapes there, and tabs may indent."""
    assert read(tmp_path, '{\n\t"a": ' + json.dumps("\N{GRINNING FACE}") + "}", "a.json") == {"a": "\N{GRINNING FACE}"}
    assert read(tmp_path, " ", "a.json") is None


def test_a_home_that_is_not_known_leaves_the_path(tmp_path, monkeypatch):
    monkeypatch.setenv("HOME", str(tmp_path))

    assert expanded("~/a.csv") == tmp_path / "a.csv"
    assert str(expanded("~no-such-user/a.csv")) == "~no-such-user/a.csv"
