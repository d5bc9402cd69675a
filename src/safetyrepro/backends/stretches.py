"""Texts tokenized stretch by stretch, each distinct stretch once, where a tokenizer is known to cut there anyway.

The prompts of an envelope repeat each other: items share their examples, options share their question. A tokenizer that first splits a
text into words never lets a token reach over the space between a full stop and a letter, so the text may be cut there, and what was seen
before is looked up. Which tokenizers do so is read off their own configuration; any other is given whole texts.
"""

from __future__ import annotations

import itertools
import json
import re
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerBase

BATCH = 256
"""Texts that are tokenized at once: what a tokenizer says beside the ids takes many times their memory."""
CUT = re.compile(r"[.!?:;] [A-Za-z]")
"""A cut lies before the space: white space after what is none, followed by a letter."""
CONTRACTIONS = r"(?i:'s|'t|'re|'ve|'m|'ll|'d)"
REST = r" ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+"
PATTERNS = frozenset(rf"{CONTRACTIONS}|[^\r\n\p{{L}}\p{{N}}]?\p{{L}}+|{number}|{REST}" for number in (r"\p{N}", r"\p{N}{1,3}"))
"""Word patterns in which nothing but a line break follows what is no white space, and nothing looks back: of Qwen 2 and of Llama 3."""


class Stretches:
    """Tokenizes texts with one tokenizer, without special tokens.

    Parameters
    ----------
    tokenizer : PreTrainedTokenizerBase
        The tokenizer.

    Attributes
    ----------
    cuts : bool
        Whether texts are cut; False for a tokenizer of which it is not known to be harmless.
    """

    def __init__(self, tokenizer: PreTrainedTokenizerBase) -> None:
        self._tokenizer = tokenizer
        self.cuts = splits_at_spaces(tokenizer)

    def ids(self, texts: Iterable[str]) -> dict[str, list[int]]:
        """Token ids of texts.

        Returns
        -------
        dict of str to list of int
            One entry for each text, and one for the empty text.

        Notes
        -----
        The text that was cut most often is also tokenized whole. Should the two differ, no text is cut from then on.
        """
        parts = {text: stretches(text) if self.cuts else [text] for text in texts if text}
        known = self._tokenized(dict.fromkeys(part for cut in parts.values() for part in cut))
        found = {text: [token for part in cut for token in known[part]] for text, cut in parts.items()}
        checked = max(parts, key=lambda text: len(parts[text]), default="")
        if len(parts.get(checked, ())) > 1 and self._tokenized([checked])[checked] != found[checked]:
            self.cuts = False
            return self.ids(parts)
        return {"": [], **found}

    def _tokenized(self, texts: Iterable[str]) -> dict[str, list[int]]:
        unique = list(texts)
        ids: dict[str, list[int]] = {}
        # One object for each number that occurs: a list of fresh integers takes five times the memory of a list of known ones.
        numbers: dict[int, int] = {}
        for start in range(0, len(unique), BATCH):
            part = unique[start : start + BATCH]
            found = self._tokenizer(part, add_special_tokens=False, return_attention_mask=False, verbose=False)["input_ids"]
            ids.update((text, [numbers.setdefault(n, n) for n in row]) for text, row in zip(part, found, strict=True))
        return ids


def stretches(text: str) -> Sequence[str]:
    """A text cut before the space behind the end of a sentence; joined, the text again."""
    places = [0, *(match.start() + 1 for match in CUT.finditer(text)), len(text)]
    return [text[start:stop] for start, stop in itertools.pairwise(places)]


def splits_at_spaces(tokenizer: PreTrainedTokenizerBase) -> bool:
    """Whether a tokenizer's own configuration says that no token reaches over one of our cuts, and that none looks over it.

    Notes
    -----
    It has to change no character but by canonical composition, which no space takes part in; to split into words by a known pattern; and
    to know no added token that holds white space or swallows what follows it.
    """
    fast = getattr(tokenizer, "backend_tokenizer", None)
    if fast is None or fast.pre_tokenizer is None:
        return False
    normalizer = None if fast.normalizer is None else json.loads(fast.normalizer.__getstate__())
    added = fast.get_added_tokens_decoder().values()
    return (
        normalizer in (None, {"type": "NFC"})
        and _splits_into_words(json.loads(fast.pre_tokenizer.__getstate__()))
        and not any(token.rstrip or re.search(r"\s", token.content) for token in added)
    )


def _splits_into_words(stated: dict[str, object]) -> bool:
    if stated["type"] == "ByteLevel":
        return stated.get("use_regex", True) is True
    steps = stated.get("pretokenizers")
    if (
        stated["type"] != "Sequence"
        or not isinstance(steps, list)
        or [step["type"] for step in steps] != ["Split", "ByteLevel"]
    ):
        return False
    split = steps[0]
    return split["pattern"].get("Regex") in PATTERNS and split["behavior"] == "Isolated" and split["invert"] is False
