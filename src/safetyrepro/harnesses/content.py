"""The question inside a package's record: its text, its options, and the digest by which items of several sources are joined."""

from __future__ import annotations

import hashlib
import unicodedata
from collections.abc import Mapping, Sequence

from safetyrepro.records import Json

_CONTEXTS = ("context", "passage", "Passage", "premise", "scenario", "dialogue")
_QUESTIONS = (
    "question",
    "Question",
    "query",
    "goal",
    "prompt",
    "problem",
    "statement",
    "sentence",
    "Sentence",
    "text",
    "input",
    "hypothesis",
    "instruction",
)
_PAIRS = (("sent_more", "sent_less"), ("sentence1", "sentence2"), ("premise", "hypothesis"))
_OPTIONS = ("choices", "options", "endings", "answers")
_NESTED_OPTIONS = ("mc1_targets", "mc2_targets")


def normalised(text: str) -> str:
    """Return a text as it is compared: NFKC, lower case, runs of white space as one space, quotes made plain."""
    if text.isascii():
        return " ".join(text.replace("`", "'").lower().split())
    plain = unicodedata.normalize("NFKC", text).translate(_QUOTES).casefold()
    return " ".join(plain.split())


_QUOTES = str.maketrans({"‘": "'", "’": "'", "“": '"', "”": '"', "`": "'", "–": "-", "—": "-"})


def content_digest(text: str, options: Sequence[str] = ()) -> str:
    """Return the name of a question by its content, ``TEXT-OPTIONS``; empty for no text.

    The first 16 hexadecimal digits are of the normalised text, the 8 behind the dash of the set of normalised options: two
    editions of a question share the first part. The order of the options is left out, because packages shuffle them.
    """
    question = normalised(text)
    if not question:
        return ""
    offered = "\x1f".join(sorted({normalised(option) for option in options}))
    return f"{text_digest(question)}-{text_digest(offered)[:8]}" if offered else text_digest(question)


def text_digest(text: str) -> str:
    """Return the first 16 hexadecimal digits of the SHA-256 of a text as it stands; empty for an empty text."""
    return hashlib.sha256(text.encode("utf-8", "replace")).hexdigest()[:16] if text else ""


def tokens_digest(tokens: Sequence[int]) -> str:
    """Return the first 16 hexadecimal digits of the SHA-256 of token ids; empty for none."""
    return text_digest(",".join(str(token) for token in tokens))


def question_of(record: Mapping[str, Json]) -> str:
    """Return the question of a data set's row: a pair of sentences, or context and question, or its longest text."""
    for first, second in _PAIRS:
        if isinstance(record.get(first), str) and isinstance(record.get(second), str):
            return f"{record[first]}\n{record[second]}"
    question = _first_text(record, _QUESTIONS)
    if not question:
        texts = [value for value in record.values() if isinstance(value, str)]
        return max(texts, key=len, default="")
    context = _first_text(record, _CONTEXTS)
    return f"{context}\n{question}" if context and context != question else question


def options_of(record: Mapping[str, Json]) -> tuple[str, ...]:
    """Return the offered answers of a data set's row, in order; empty where it offers none."""
    for name in _OPTIONS:
        found = _texts(record.get(name))
        if found:
            return found
    for name in _NESTED_OPTIONS:
        inner = record.get(name)
        if isinstance(inner, dict):
            return _texts(inner.get("choices"))
    numbered = [record.get(f"ans{index}") for index in range(10)]
    return tuple(answer for answer in numbered if isinstance(answer, str))


def cluster_of(record: Mapping[str, Json]) -> str:
    """Return the name shared by rows that were written from one template; empty where the row tells none."""
    if "question_index" in record and isinstance(record.get("category"), str):
        return f"{record['category']}/{record['question_index']}"
    passage = record.get("passage")
    return text_digest(normalised(passage)) if isinstance(passage, str) else ""


def stratum_of(record: Mapping[str, Json]) -> str:
    """Return the category that a row states; empty where it states none."""
    for name in ("bias_type", "category", "subject", "type"):
        value = record.get(name)
        if isinstance(value, str):
            return value[:200]
    return ""


def _first_text(record: Mapping[str, Json], names: Sequence[str]) -> str:
    for name in names:
        value = record.get(name)
        if isinstance(value, str) and value.strip():
            return value
        if isinstance(value, list) and value and all(isinstance(entry, str) for entry in value):
            return "\n".join(str(entry) for entry in value)
    return ""


def _texts(value: Json) -> tuple[str, ...]:
    if isinstance(value, dict):
        value = value.get("text") or value.get("choices")
    if isinstance(value, list) and value and all(isinstance(entry, str) for entry in value):
        return tuple(str(entry) for entry in value)
    return ()
