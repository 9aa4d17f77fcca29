"""Free text by a model of this process: the most likely token each time, until its turn ends."""

from collections.abc import Iterator, Sequence
from typing import Any

from textclassify.llm.in_process.chat_tokens import ChatTokenizer, Turn
from textclassify.models.batching import token_batches
from textclassify.models.dependencies import needs_extra

with needs_extra("torch"):
    import torch
    from transformers import GenerationConfig

_ROWS_AT_ONCE = 8
_TOKENS_AT_ONCE = 8192


def written(
    model: Any, chat: ChatTokenizer, conversations: Sequence[Sequence[Turn]], *, max_tokens: int, room: int
) -> Iterator[tuple[int, str | None]]:
    """Yield the place of each conversation and what the model says next; None where the conversation does not fit.

    Args:
        model: a causal language model.
        chat: its tokenizer.
        conversations: what was said so far.
        max_tokens: longest reply.
        room: tokens that a conversation may have.

    """
    prompts = list(map(chat.conversation, conversations))
    yield from ((place, None) for place, prompt in enumerate(prompts) if len(prompt) > room)
    places = [place for place, prompt in enumerate(prompts) if len(prompt) <= room]
    lengths = [len(prompts[place]) + max_tokens for place in places]
    for batch in token_batches(lengths, max_tokens=_TOKENS_AT_ONCE, max_rows=_ROWS_AT_ONCE) if places else ():
        together = [places[row] for row in batch]
        replies = _continued(model, chat, [prompts[place] for place in together], max_tokens)
        yield from zip(together, replies, strict=True)


def _continued(model: Any, chat: ChatTokenizer, prompts: Sequence[tuple[int, ...]], max_tokens: int) -> list[str]:
    """Return what follows each prompt; shorter ones are padded before their beginning."""
    width = max(map(len, prompts))
    ids = torch.full((len(prompts), width), chat.end_of_turn)
    mask = torch.zeros((len(prompts), width), dtype=torch.long)
    for row, prompt in enumerate(prompts):
        ids[row, width - len(prompt) :] = torch.tensor(prompt)
        mask[row, width - len(prompt) :] = 1
    ends = {chat.end_of_turn, chat.tokenizer.eos_token_id} - {None}
    greedy = GenerationConfig(  # type: ignore[no-untyped-call] # transformers'
        do_sample=False, max_new_tokens=max_tokens, eos_token_id=sorted(ends), pad_token_id=chat.end_of_turn
    )
    with torch.inference_mode():
        whole = model.generate(
            input_ids=ids.to(model.device), attention_mask=mask.to(model.device), generation_config=greedy
        )
    said: list[str] = chat.tokenizer.batch_decode(whole[:, width:].cpu(), skip_special_tokens=True)
    return [text.strip() for text in said]
