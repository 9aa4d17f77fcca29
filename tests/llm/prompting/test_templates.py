"""Prompt templates: the user's own words, with places for labels, examples and the text."""

import pytest

from textclassify.core.labels import LabelSchema
from textclassify.errors import ConfigError
from textclassify.llm.chat import ChatRequest, Message
from textclassify.llm.prompting.demonstrations import Demonstration
from textclassify.llm.prompting.prompts import choice_prompt
from textclassify.llm.prompting.templates import Template, load_template

TOPICS = LabelSchema(("world_news", "sport"), {"sport": "matches and teams"})
TAGS = LabelSchema(("late", "broken", "praise"), multi_label=True)
EXAMPLES = [Demonstration("They won.", "sport"), Demonstration("war {text}", "world_news")]
WHOLE = """You are a librarian.
{labels}
---
Choose one of {codes}, as {{"code": ...}}.

{examples}

{text}

The code:
"""


@pytest.fixture
def written(tmp_path):
    """Write a template file and return its path."""

    def write(content, **options):
        path = tmp_path / "prompt.txt"
        path.write_bytes(content if isinstance(content, bytes) else content.encode(**options))
        return path

    return write


def test_a_template_is_filled_and_split_into_system_and_user(written):
    """The file's words are sent as they stand there, with every place filled."""
    system, user = load_template(written(WHOLE)).prompt(TOPICS, EXAMPLES[:1]).about("rain")

    assert system == Message("system", "You are a librarian.\nA: world news\nB: sport: matches and teams")
    assert user.content == (
        'Choose one of A, B, as {"code": ...}.\n\n<text>\nThey won.\n</text>\nCode: B\n\n'
        "<text>\nrain\n</text>\n\nThe code:"
    )


def test_without_a_separator_everything_is_the_users_message():
    """Some models know no system message."""
    (only,) = Template("Labels:\n{labels}\n{text}").prompt(TOPICS).about("rain")

    assert only.role == "user"
    assert only.content.startswith("Labels:\nA: world news\n")


def test_without_a_place_for_them_examples_are_turns():
    """As in the library's own prompt."""
    prompt = Template("Sort.\n---\n{text}").prompt(TOPICS, EXAMPLES)

    assert [message.role for message in prompt.messages] == ["system", "user", "assistant", "user", "assistant", "user"]
    assert prompt.messages[1:-1] == choice_prompt(TOPICS, EXAMPLES).messages[1:-1]


@pytest.mark.parametrize("content", [WHOLE, "Sort.\n---\n{text}"])
def test_other_examples_make_the_prompt_that_they_would_have_made(content):
    """Retrieved examples differ from text to text."""
    template = Template(content)

    assert template.prompt(TOPICS).with_examples(EXAMPLES) == template.prompt(TOPICS, EXAMPLES)
    assert "Codes: A, C" in Template(WHOLE).prompt(TAGS, [Demonstration("x", ["late", "praise"])]).messages[-1].content


@pytest.mark.parametrize("text", ["{labels}", "{text}", "{0} {} {{ }}", "{", "</text>\n---\n{codes}", "%s $text"])
def test_nothing_inside_a_text_a_label_or_an_example_is_filled_in(text):
    """They are data; a text that holds a placeholder stays as it is."""
    labels = LabelSchema(("a", "b"), {"b": f"like {text}"})
    prompt = Template(WHOLE).prompt(labels, [Demonstration(text, "b")])
    sent = text.replace("</", "< /")

    assert f"<text>\n{sent}\n</text>\n\nThe code:" in prompt.about(text)[-1].content
    assert f"<text>\n{sent}\n</text>\nCode: B" in prompt.about("x")[-1].content
    assert " ".join(sent.split()) in prompt.messages[0].content


@pytest.mark.parametrize(
    ("content", "problem"),
    [
        ("", "is empty"),
        (" \n\n", "is empty"),
        ("Labels: {labels}", "has {text} 0 times"),
        ("{text} {text}", "has {text} 2 times"),
        ("{text}\n---\nSort.", "has {text} before the line '---'"),
        ("a\n---\nb\n---\n{text}", "has 2 lines of only '---'"),
        ("{lables} {text}", "unknown placeholder {lables}; did you mean 'labels'"),
        ("{} {text}", "unknown placeholder {}"),
        ("{text!r}", "unknown placeholder {text!r}"),
        ("{text:>10}", "unknown placeholder {text:>10}"),
        ("{text.__class__}", "unknown placeholder {text.__class__}"),
        ('{"label": ...} {text}', "write literal braces as {{ and }}"),
        ("a } b {text}", "write literal braces as {{ and }}"),
        ("a { b {text}", "write literal braces as {{ and }}"),
        (b"\xff\xfe\x00{text}", "is no UTF-8 text"),
    ],
)
def test_a_template_that_cannot_work_is_refused_with_its_file_and_the_remedy(written, content, problem):
    """Before anything is paid for."""
    path = written(content)

    with pytest.raises(ConfigError) as raised:
        load_template(path)

    assert problem in str(raised.value)
    assert str(path) in str(raised.value)


def test_a_file_that_cannot_be_read_is_named(tmp_path):
    """A folder and a missing file as well."""
    for path in (tmp_path, tmp_path / "none.txt"):
        with pytest.raises(ConfigError, match=r"cannot be read.*pass the path of a text file"):
            load_template(path)


@pytest.mark.parametrize("options", [{"encoding": "utf-8-sig"}, {}])
def test_files_of_all_systems_are_read_alike(written, options):
    """A byte order mark and other line ends come from an editor."""
    windows = load_template(written(WHOLE.replace("\n", "\r\n"), **options))

    assert windows.prompt(TOPICS, EXAMPLES).messages == Template(WHOLE).prompt(TOPICS, EXAMPLES).messages


def test_another_template_is_another_request():
    """The cache's key is the whole request, so the template's words are part of it."""
    first, second = (Template(f"{word} {{text}}").prompt(TOPICS).about("rain") for word in ("Sort:", "Label:"))

    assert ChatRequest("m", first).key("p") != ChatRequest("m", second).key("p")


def test_a_repair_question_asks_for_what_the_template_asks_for():
    """Codes, or scores where it was written for those."""
    assert "from 0 to 1" in Template(WHOLE).prompt(TOPICS, EXAMPLES, scores=True).again("x")[-1].content
    assert Template(WHOLE).prompt(TOPICS).again("x")[-1].content.endswith("nothing else: A, B.")


def test_examples_of_scores_need_a_place():
    """As turns they would show codes where scores are wanted."""
    with pytest.raises(ConfigError, match=r"write \{examples\} there"):
        Template("{text}").prompt(TOPICS, EXAMPLES, scores=True)
