"""An encoder and its fusion network trained together: each at its own learning rate, language models' scores fixed."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, cast

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from textclassify.ensemble.combining.network import FusionWrapper
from textclassify.ml.losses import losses_of
from textclassify.ml.network import EncoderNetwork
from textclassify.ml.training import FineTuning, Lesson, Recipe


@dataclass(frozen=True, kw_only=True)
class JointLesson(Lesson):
    """What encoder and fusion network learn from.

    Attributes:
        llm_scores: (pieces, L) scores of language models; rows of NaN where one was not asked or did not answer.

    """

    llm_scores: NDArray[np.float32]


class JointNetwork(FusionWrapper):
    """FusionWrapper over the library's own encoder, whose body and head are trained at rates of their own."""

    ml_model: EncoderNetwork

    @property
    def encoder(self) -> Any:
        """The encoder's body."""
        return self.ml_model.encoder

    @property
    def head(self) -> nn.Module:
        """The linear layer on the encoder's vectors."""
        return self.ml_model.head


class JointTuning(FineTuning):
    """Fine-tuning of a `JointNetwork`: a text teaches by its fused logits and by the encoder's own, half each.

    The fused logits of a text without scores are the encoder's own, so such a text teaches these alone, whole. What is
    validated on is the fused logits, which are what is deployed.

    Args:
        network: encoder and fusion network.
        recipe: how the encoder is trained, and everything that both share.
        fusion_learning_rate: of the fusion network.
        pad_token_id: fills short rows up.

    """

    def __init__(
        self, network: JointNetwork, recipe: Recipe, *, fusion_learning_rate: float, pad_token_id: int
    ) -> None:
        super().__init__(network, recipe, pad_token_id)
        self.fusion_learning_rate = fusion_learning_rate

    def _optimizer(self, steps: int) -> tuple[torch.optim.Optimizer, Any]:
        """Return the encoder's optimiser with the fusion network as a further part, on the same schedule."""
        optimizer, schedule = super()._optimizer(steps)
        fusion = {
            "params": list(self.network.fusion_mlp.parameters()),
            "lr": self.fusion_learning_rate,
            "weight_decay": self.recipe.weight_decay,
        }
        optimizer.add_param_group(fusion)
        return optimizer, torch.optim.lr_scheduler.LambdaLR(optimizer, schedule.lr_lambdas[0])

    def _loss(self, lesson: Lesson, rows: NDArray[np.intp]) -> Tensor:
        """Return the weighted loss of each piece, (rows,)."""
        llm_scores = cast("JointLesson", lesson).llm_scores
        input_ids, mask = self._inputs(lesson, rows)
        scores = torch.from_numpy(llm_scores[rows]).to(self.device)
        with torch.autocast(self.device.type, dtype=self.recipe.dtype, enabled=self.recipe.dtype is not torch.float32):
            output = self.network(input_ids, mask, scores)
        gold = lesson.targets[rows], lesson.positive_weight
        losses = losses_of(output.fused_logits, *gold)
        if self.network.training:
            losses = (losses + losses_of(output.ml_logits, *gold)) / 2
        return losses * torch.tensor(lesson.weights[rows], dtype=torch.float32, device=self.device)
