"""A claim is a sentence that can be read back; what cannot be read is refused with the place and an example."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from safetyrepro.claims import EXAMPLE, WORDS, parse_claim, read_claims, with_evidence
from safetyrepro.errors import ClaimError
from safetyrepro.verdicts import Claim, EvidenceLevel, Quantifier, Relation, quoted

NAMES = st.text(st.characters(codec="utf-8", categories=("L", "N", "P", "S", "Zs")), min_size=1, max_size=12).filter(
    lambda name: name == name.strip() and '"' not in name and not (name[:1] == name[-1:] == "'")
)
WORD = st.from_regex(r"[a-z][a-z0-9_]{0,8}", fullmatch=True).filter(lambda word: word not in ("and", "where", "on"))
CLAIMS = st.builds(
    Claim,
    a=NAMES,
    b=NAMES,
    benchmark=NAMES,
    estimand=st.one_of(st.just(""), WORD),
    relation=st.sampled_from(Relation),
    margin=st.sampled_from([0.0, 0.02, 1.5, -0.1, 1e-7]),
    quantifier=st.sampled_from(Quantifier),
    where=st.lists(st.tuples(WORD, st.lists(WORD, min_size=1, max_size=2).map(tuple)), max_size=2).map(tuple),
)


@given(CLAIMS)
def test_a_claim_is_read_back_from_its_own_sentence(claim: Claim):
    found = parse_claim(claim.canonical)

    assert (found.a, found.relation, found.b, found.margin) == (claim.a, claim.relation, claim.b, claim.margin)
    assert (found.benchmark, found.estimand) == (claim.benchmark, claim.estimand)
    assert (found.quantifier, found.where) == (claim.quantifier, claim.where)


def test_the_example_of_the_error_is_a_claim():
    found = parse_claim(EXAMPLE)

    assert (found.a, found.b, found.margin, found.relation) == ("A", "B", 0.02, Relation.NOT_BEHIND)
    assert found.where == (("template", ("cloze",)),)


@pytest.mark.parametrize(("phrase", "quantifier"), list(WORDS.items()))
def test_every_phrase_means_its_quantifier(phrase: str, quantifier: Quantifier):
    assert parse_claim(f"A > B on bbq {phrase}").quantifier is quantifier


def test_everywhere_is_meant_where_nothing_is_said():
    assert parse_claim("A>B on bbq:bias_score").quantifier is Quantifier.EVERYWHERE
    assert parse_claim("A > B on bbq:bias_score").estimand == "bias_score"


def test_a_name_that_could_be_misread_is_quoted():
    assert quoted("gpt 4") == "gpt 4"
    assert quoted("gpt - 4") == '"gpt - 4"'
    assert parse_claim('"a > b" >= "c on d" - .5 on "my bench" somewhere').b == "c on d"
    assert parse_claim("A > B + 0.1 on x").margin == -0.1


@pytest.mark.parametrize(
    "sentence",
    ["", "A beats B", "A > B", "A < B on bbq", "A > B on bbq where template", "A > B on bbq where =x", "A > B on bbq where f="],
)
def test_a_sentence_that_is_no_claim_is_refused(sentence: str):
    with pytest.raises(ClaimError):
        parse_claim(sentence)


def write(folder: Path, text: str) -> Path:
    path = folder / "claims.yaml"
    path.write_text(text, encoding="utf-8")
    return path


def test_a_file_gives_level_and_alpha_to_its_claims(tmp_path: Path):
    text = "alpha: 0.01\nclaims:\n- claim: A > B on bbq\n  level: supported\n- {claim: A > B on bbq somewhere, say: A can win, alpha: 0.1}\n"

    first, second = read_claims(write(tmp_path, text))

    assert (first.evidence, first.alpha, first.sentence) == (EvidenceLevel.SUPPORTED, 0.01, "A > B on bbq")
    assert (second.evidence, second.alpha, second.sentence) == (EvidenceLevel.REALIZED, 0.1, "A can win")
    assert second.canonical == "A > B on bbq somewhere"


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("claims: []", "field 'claims'"),
        ("[1", "is not YAML"),
        ("claims: [{claim: A > B on x, levle: realized}]", "levle"),
        ("claims: [{claim: A > B on x}, {claim: A over B}]", "claim 2"),
        ("claims: [{claim: A > B on x, alpha: 2}]", "alpha"),
        ("- 1", "the document"),
    ],
)
def test_a_file_that_cannot_be_read_names_the_place(tmp_path: Path, text: str, message: str):
    with pytest.raises(ClaimError) as caught:
        read_claims(write(tmp_path, text))

    assert message in caught.value.sentence
    assert "claims.yaml" in caught.value.sentence


def test_an_absent_or_huge_file_is_refused(tmp_path: Path):
    with pytest.raises(ClaimError, match="cannot be read"):
        read_claims(tmp_path / "none.yaml")
    with pytest.raises(ClaimError, match="larger than 1 MB"):
        read_claims(write(tmp_path, "#" * 1_000_001))


def test_options_override_what_a_claim_has_and_none_keeps_it():
    claim = parse_claim("A > B on bbq")

    assert with_evidence(claim, None, None) == claim
    changed = with_evidence(claim, EvidenceLevel.SUPPORTED, 0.1)
    assert (changed.evidence, changed.alpha, changed.sentence) == (EvidenceLevel.SUPPORTED, 0.1, "A > B on bbq")


@pytest.mark.parametrize(
    "sentence", [" " * 1_900, f"a >{' ' * 900}b{' ' * 900}", "a > b on " * 5_000, "a >= b - 1e999 on bench"]
)
def test_a_sentence_that_would_keep_the_grammar_busy_or_says_no_number_is_refused_at_once(sentence: str):
    with pytest.raises(ClaimError, match="is not a claim") as caught:
        parse_claim(sentence)

    assert len(caught.value.sentence) < 600


def test_blanks_outside_of_quotes_are_one():
    found = parse_claim('  "a  b"   >=  c   d\n - 0.02   on  bench    everywhere ')

    assert (found.a, found.b, found.margin) == ("a  b", "c d", 0.02)


@pytest.mark.parametrize("content", ["[" * 5_000, "{a: " * 3_000, "x" * 1_000_001])
def test_a_file_that_is_too_deep_or_too_long_is_refused_in_one_sentence(tmp_path: Path, content: str):
    (tmp_path / "claims.yaml").write_text(content)

    with pytest.raises(ClaimError, match=r"is nested too deeply|is larger than 1 MB") as caught:
        read_claims(tmp_path / "claims.yaml")

    assert "\n" not in caught.value.sentence


@pytest.mark.skipif(not Path("/dev/zero").exists(), reason="there is no endless file here")
def test_an_endless_file_is_cut():
    with pytest.raises(ClaimError, match="is larger than 1 MB"):
        read_claims(Path("/dev/zero"))
