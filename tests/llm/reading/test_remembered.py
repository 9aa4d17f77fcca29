from textclassify.llm.reading.remembered import Remembered


def test_a_text_is_worked_out_once():
    """The second reply with the same words costs a look-up."""
    asked = []
    lengths = Remembered(lambda text: asked.append(text) or len(text), {"known": 0})
    assert [lengths[text] for text in ("a", "a", "known")] == [1, 1, 0]
    assert asked == ["a"]


def test_memory_stays_bounded():
    """Long texts do not come twice, and a million short ones must not be kept."""
    lengths = Remembered(len)
    assert lengths["x" * 1000] == 1000
    assert all(lengths[str(number)] for number in range(10_000))
    assert "x" * 1000 not in lengths
    assert len(lengths) < 5000
