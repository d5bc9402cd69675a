"""Names of answers: the digest of JSON, however it is written."""

from __future__ import annotations

import hashlib
import json
from dataclasses import replace

from hypothesis import given
from hypothesis import strategies as st

from safetyrepro.backends.base import content_key, token_digest
from safetyrepro.backends.replay import ScriptedBackend
from safetyrepro.records import Decoding

IDENTITY = ScriptedBackend("m", len).identity
ids = st.lists(st.integers(0, 2**64), max_size=6)
decodings = st.builds(
    Decoding,
    max_tokens=st.integers(1, 99),
    temperature=st.floats(0, 2),
    stop=st.lists(st.text(max_size=3), max_size=2).map(tuple),
    seed=st.none() | st.integers(0, 9),
)


def as_json(parts):
    return hashlib.sha256(json.dumps(parts, separators=(",", ":")).encode()).hexdigest()


@given(ids, ids, st.none() | decodings)
def test_a_key_is_the_digest_of_model_tokens_and_decoding_as_json(context, continuation, decoding):
    asked = None
    if decoding is not None:
        fields = ("max_tokens", "temperature", "top_p", "top_k", "stop", "seed", "model_default")
        asked = [getattr(decoding, field) for field in fields]
    expected = as_json([IDENTITY.digest, context, continuation, asked])[:32]
    assert content_key(IDENTITY, context, continuation, decoding) == expected
    assert content_key(IDENTITY, tuple(context), tuple(continuation), decoding) == expected
    assert token_digest(context, continuation) == as_json([context, continuation])[:16]


def test_another_model_and_another_split_of_the_same_tokens_have_another_key():
    keys = {
        content_key(identity, context, continuation, None)
        for identity in (IDENTITY, replace(IDENTITY, weights="others"))
        for context, continuation in (([1, 2], [3]), ([1], [2, 3]), ([12], [3]), ([1, 23], []))
    }
    assert len(keys) == 8
