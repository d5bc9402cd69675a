"""The slow definition of what a model says: one sequence at a time, straight through transformers."""

from __future__ import annotations

from typing import Any


def plain_scores(model: Any, context: tuple[int, ...], continuation: tuple[int, ...]) -> tuple[list[float], bool]:
    """Log-probabilities of a continuation, token by token, and whether it is greedy."""
    import torch

    with torch.no_grad():
        logits = model(torch.tensor([[*context, *continuation][:-1]])).logits[0].float()
    table = torch.log_softmax(logits, dim=-1)
    first = len(context) - 1
    values = [float(table[first + i, token]) for i, token in enumerate(continuation)]
    greedy = all(int(table[first + i].argmax()) == token for i, token in enumerate(continuation))
    return values, greedy


def plain_greedy(model: Any, prompt: tuple[int, ...], ends: frozenset[int], max_tokens: int) -> list[int]:
    """The likeliest tokens after a prompt, each from a fresh pass over the whole sequence."""
    import torch

    drawn: list[int] = []
    while len(drawn) < max_tokens:
        with torch.no_grad():
            token = int(model(torch.tensor([[*prompt, *drawn]])).logits[0, -1].argmax())
        drawn.append(token)
        if token in ends:
            break
    return drawn
