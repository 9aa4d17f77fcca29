"""Questions as forests of tokens: what is read, how often, and together with what."""

import pytest

from textclassify.llm.in_process.prompt_forest import TokenQuestion, forest_of, pages

TEXT, OTHER = tuple(range(100, 140)), tuple(range(200, 240))
YES, NO = (1, 9), (2, 9)


def question(text, label):
    return TokenQuestion((0, 0, *text, *label), (YES, NO))


def read_together(questions, **limits):
    return list(pages(questions, **{"shared": 2, "most_tokens": 100, "most_steps": 1000} | limits))


def test_a_beginning_that_questions_share_is_read_once():
    """Forty tokens of text, two labels of three, and the first token of each answer behind each label."""
    questions = [question(TEXT, (7, 5, 8)), question(TEXT, (7, 6, 8))]
    forest = forest_of(questions, [0, 1], shared=2)

    assert len(forest.tokens) == 40 + 1 + 2 * 2 + 4
    assert forest.tokens.tolist().count(100) == 1
    assert forest.depth.max() == 43


def test_a_token_sees_what_it_follows_and_nothing_else():
    forest = forest_of([question((3,), (7, 5)), question((3,), (7, 6))], [0, 1], shared=2)
    seen = {forest.tokens[node]: set(forest.tokens[row]) for node, row in enumerate(forest.visible)}

    assert seen[5] == {3, 7, 5}
    assert seen[6] == {3, 7, 6}


def test_every_step_of_every_answer_is_predicted_where_the_token_before_it_stands():
    forest = forest_of([question((3,), (7,))], [0], shared=2)
    predicted = zip(forest.tokens[forest.step_node], forest.step_token, forest.step_answer, strict=True)

    assert [tuple(map(int, step)) for step in predicted] == [(7, 1, 0), (1, 9, 0), (7, 2, 1), (2, 9, 1)]


def test_questions_about_one_text_are_read_together_whatever_their_order():
    questions = [question(text, (label,)) for label in range(5) for text in (TEXT, OTHER)]

    assert sorted(map(sorted, read_together(questions))) == [[0, 2, 4, 6, 8], [1, 3, 5, 7, 9]]


@pytest.mark.parametrize("limits", [{"most_tokens": 1}, {"most_steps": 1}, {"most_tokens": 10**6}])
def test_every_question_is_read_once_whatever_fits_on_a_page(limits):
    questions = [question(TEXT[: 1 + n % 7], (n % 3, n)) for n in range(30)]
    read = read_together(questions, **limits)

    assert sorted(number for page in read for number in page) == list(range(30))
    assert (len(read) == 1) == (limits == {"most_tokens": 10**6})


def test_long_texts_have_room_for_their_questions():
    """A text that is longer than a page is not read anew for each question."""
    questions = [question(TEXT, (label,)) for label in range(5)]
    assert read_together(questions, most_tokens=10) == [[0, 1, 2, 3, 4]]
