"""Models of many kinds: scores are those of plain forward passes, shared or one by one."""

import numpy as np
import pytest

torch = pytest.importorskip("torch")
transformers = pytest.importorskip("transformers")

from textclassify.llm.in_process.answer_scores import score_answers  # noqa: E402
from textclassify.llm.in_process.prompt_forest import TokenQuestion  # noqa: E402
from textclassify.llm.in_process.question_scores import question_scores  # noqa: E402
from textclassify.llm.in_process.tree_checks import plain_score, reads_trees  # noqa: E402

PROMPTS = [(5, 6, 7, 8, 9, 10, 11), (5, 6, 7, 8, 20), (5, 6, 7, 8, *range(30, 40))]
ANSWERS = [(40, 41, 1), (40, 42, 43, 1), (44, 1)]
SIZES = {
    "vocab_size": 90,
    "hidden_size": 32,
    "intermediate_size": 48,
    "num_hidden_layers": 2,
    "num_attention_heads": 4,
    "max_position_embeddings": 64,
    "initializer_range": 0.3,
    "bos_token_id": 0,
    "eos_token_id": 1,
    "pad_token_id": None,
}
GROUPED = {"num_key_value_heads": 2, "head_dim": 8}

KINDS = [
    ("Llama", "LlamaForCausalLM", GROUPED | {"tie_word_embeddings": True}, True),
    ("GPT2", "GPT2LMHeadModel", {}, True),
    ("Qwen2", "Qwen2ForCausalLM", {"num_key_value_heads": 2}, True),
    ("Mistral", "MistralForCausalLM", GROUPED | {"sliding_window": 48}, True),
    ("Mistral", "MistralForCausalLM", GROUPED | {"sliding_window": 8}, False),
    ("Gemma2", "Gemma2ForCausalLM", GROUPED | {"sliding_window": 48}, True),
    ("Gemma2", "Gemma2ForCausalLM", GROUPED | {"sliding_window": 8}, False),
    ("GPTNeo", "GPTNeoForCausalLM", {"num_layers": 2, "attention_types": [[["global", "local"], 1]]}, False),
    ("Falcon", "FalconForCausalLM", {"alibi": True, "new_decoder_architecture": False}, False),
    ("Bloom", "BloomForCausalLM", {}, False),
]


def tiny_model(family, model_class, options):
    torch.manual_seed(0)
    config = getattr(transformers, f"{family}Config")(**SIZES | options)
    return getattr(transformers, model_class)(config).eval()


@pytest.mark.parametrize(("family", "model_class", "options", "in_trees"), KINDS)
def test_every_kind_of_model_is_scored_as_plain_forward_passes_do(family, model_class, options, in_trees):
    """Windows, soft caps, positions that come from the mask: what does not take our masks is read the plain way."""
    model = tiny_model(family, model_class, options)
    with torch.inference_mode():
        expected = [[plain_score(model, prompt, answer) for answer in ANSWERS] for prompt in PROMPTS]

    together = score_answers(model, PROMPTS, ANSWERS)
    questions = dict(question_scores(model, [TokenQuestion(prompt, tuple(ANSWERS)) for prompt in PROMPTS]))

    np.testing.assert_allclose(together, expected, atol=1e-4)
    np.testing.assert_allclose([questions[row] for row in range(len(PROMPTS))], expected, atol=1e-4)
    assert reads_trees(model, 20) is in_trees


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16, torch.float16])
def test_rounding_is_not_taken_for_a_wrong_mask(dtype):
    """A model that is read the slow way without need takes ten times as long."""
    assert reads_trees(tiny_model("Llama", "LlamaForCausalLM", GROUPED | {"initializer_range": 0.1}).to(dtype), 20)


def test_a_model_that_answers_our_masks_with_an_error_is_read_the_plain_way():
    """Nobody lists what each of hundreds of architectures takes; it is tried once."""
    model = tiny_model("Llama", "LlamaForCausalLM", GROUPED)
    forward = type(model).forward

    class Refusing(type(model)):
        def forward(self, input_ids=None, attention_mask=None, position_ids=None, **options):
            if attention_mask is not None:
                raise ValueError("no masks here")
            return forward(self, input_ids=input_ids, position_ids=position_ids, **options)

    model.__class__ = Refusing

    assert not reads_trees(model, 20)
    assert np.isfinite(score_answers(model, PROMPTS, ANSWERS)).all()
