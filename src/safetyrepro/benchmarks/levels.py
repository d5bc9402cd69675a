"""The levels that several benchmarks share, each with who ships it: templates, examples, delimiter, first token, order, scoring.

A benchmark picks levels by name and declares them as its own factors; what a level does stands in `choices` and `readings`.
Line numbers are those of the version named.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

from safetyrepro.envelope import Configuration, Evidence, Factor, Level, Source, Stage

CLOZE_TEMPLATES = ("cloze", "cloze_chat")
REASONING_TEMPLATE = "inspect_reasoning"
LETTER_TEMPLATES = (
    "helm_letters",
    "helm_letters_chat",
    "helm_single_letter",
    "helm_single_letter_chat",
    "inspect_letters",
    "inspect_letters_plain",
    REASONING_TEMPLATE,
)


def lm_eval(file: str, *, version: str = "0.4.5", evidence: Evidence = Evidence.READ) -> Source:
    """A source in EleutherAI's lm-evaluation-harness."""
    return Source(package="lm-evaluation-harness", version=version, file=file, evidence=evidence)


def helm(file: str, *, version: str = "0.5.5", evidence: Evidence = Evidence.READ) -> Source:
    """A source in Stanford CRFM's HELM, below ``helm/benchmark``."""
    return Source(package="helm", version=version, file=file, evidence=evidence)


def inspect_ai(file: str, *, version: str = "0.3.21", evidence: Evidence = Evidence.READ) -> Source:
    """A source in Inspect, below ``inspect_ai``."""
    return Source(package="inspect_ai", version=version, file=file, evidence=evidence)


def inspect_evals(file: str, *, version: str = "0.26.0", evidence: Evidence = Evidence.READ) -> Source:
    """A source in inspect_evals, below ``inspect_evals``."""
    return Source(package="inspect_evals", version=version, file=file, evidence=evidence)


def lighteval(file: str, *, version: str = "3fd1526", evidence: Evidence = Evidence.READ) -> Source:
    """A source in lighteval, below ``lighteval``."""
    return Source(package="lighteval", version=version, file=file, evidence=evidence)


def openbench(file: str, *, version: str = "d03922c", evidence: Evidence = Evidence.READ) -> Source:
    """A source in openbench, below ``src/openbench``."""
    return Source(package="openbench", version=version, file=file, evidence=evidence)


OWN = Source(package="safetyrepro", evidence=Evidence.OWN)

TEMPLATES: Mapping[str, Level] = {
    level.name: level
    for level in (
        Level(
            name="cloze",
            about="The question as plain text; the answer's text continues it.",
            sources=(lm_eval("tasks/ (doc_to_text of multiple_choice tasks)"),),
        ),
        Level(
            name="cloze_chat",
            about="The cloze text inside one user turn of the model's chat template.",
            sources=(lm_eval("__main__.py:172 (--apply_chat_template)"),),
        ),
        Level(
            name="helm_letters",
            about="All options under letters as HELM writes them, `A. ` and `Answer:`, plain text.",
            sources=(helm("adaptation/common_adapter_specs.py:21-66"),),
        ),
        Level(
            name="helm_letters_chat",
            about="HELM's letters inside one user turn of the model's chat template.",
            sources=(OWN,),
        ),
        Level(
            name="helm_single_letter",
            about="HELM's letters with `Answer with only a single letter.` in front, plain text.",
            sources=(helm("presentation/run_entries_safety.conf:8", version="63754d0"), helm("run_expander.py:1482")),
        ),
        Level(
            name="helm_single_letter_chat",
            about="HELM's letters with `Answer with only a single letter.` inside one user turn of the chat template.",
            sources=(OWN,),
        ),
        Level(
            name="inspect_letters",
            about="All options under letters as Inspect writes them, `A) ` and `ANSWER: $LETTER`, through the chat template.",
            sources=(inspect_ai("solver/_multiple_choice.py:14-20"),),
        ),
        Level(
            name="inspect_letters_plain",
            about="Inspect's letters as plain text.",
            sources=(OWN,),
        ),
        Level(
            name="inspect_reasoning",
            about="Inspect's letters with `Think step by step before answering.`, through the chat template.",
            sources=(inspect_ai("solver/_multiple_choice.py (SINGLE_ANSWER_TEMPLATE_COT)", version="HEAD of 2026-08"),),
        ),
    )
}

SHOTS: Mapping[str, Level] = {
    level.name: level
    for level in (
        Level(
            name="0",
            about="No example.",
            sources=(lm_eval("tasks/ (num_fewshot 0 or unset)"), inspect_ai("benchmarks/truthfulqa.py")),
        ),
        *(
            Level(
                name=str(count),
                about=f"{count} solved item{'s' if count > 1 else ''} of the pool, the same block before every item.",
                sources=(helm("run_expander.py:530-540 (learning curve)"),),
            )
            for count in (1, 2, 4, 8, 16)
        ),
        Level(
            name="3",
            about="3 solved items of the pool, the same block before every item.",
            sources=(Source(package="llm-foundry", file="scripts/eval/yamls/tasks_v0.1.yaml (num_fewshot: [3])"),),
        ),
        Level(
            name="5",
            about="5 solved items of the pool, the same block before every item.",
            sources=(helm("adaptation/common_adapter_specs.py:145 (max_train_instances)"),),
        ),
    )
}

SCORING: Mapping[str, Level] = {
    level.name: level
    for level in (
        Level(
            name="sum",
            about="Largest sum of log-probabilities of the option's text.",
            sources=(lm_eval("api/task.py:1428 (acc)"), Source(package="TruthfulQA", file="truthfulqa/models.py:540-575")),
        ),
        Level(
            name="per_character",
            about="Sum divided by the number of characters of the option.",
            sources=(lm_eval("api/task.py:1414,1429 (acc_norm)"), lighteval("metrics/normalizations.py:489")),
        ),
        Level(
            name="per_token",
            about="Sum divided by the number of tokens of the option.",
            sources=(helm("metrics/basic_metrics.py:256-260 (separate_original)"), lighteval("metrics/normalizations.py:480")),
        ),
        Level(
            name="per_byte",
            about="Sum divided by the number of UTF-8 bytes of the option.",
            sources=(lm_eval("api/task.py:1495,1512 (acc_bytes)", version="4e7e0d4"),),
        ),
        Level(
            name="pmi",
            about="Sum less the sum without context, there without the leading space.",
            sources=(
                lm_eval("api/task.py:1324-1332,1483-1488 (acc_mutual_info)"),
                helm("metrics/basic_metrics.py:262-266 (separate_calibrated)"),
            ),
        ),
        Level(
            name="pmi_spaced",
            about="Sum less the sum without context, both with the same delimiter.",
            sources=(lm_eval("api/task.py:1401-1403 (acc_mutual_info)", version="0.4.13"),),
        ),
        Level(
            name="letter_logprob",
            about="Largest log-probability of the option's letter.",
            sources=(lighteval("tasks/default_tasks.py (HELM suite)", version="v0.9.2"),),
        ),
        Level(
            name="letter_token",
            about="One greedy token that is exactly the letter.",
            sources=(helm("adaptation/common_adapter_specs.py:147; metrics/common_metric_specs.py:29-32"),),
        ),
        Level(
            name="parsed_letter",
            about="A greedy answer of at most 32 tokens in which `ANSWER: X` is found.",
            sources=(inspect_ai("solver/_multiple_choice.py:91-93"),),
        ),
        Level(
            name="text_found",
            about="A greedy answer of at most 32 tokens in which an option's text is found.",
            sources=(lm_eval("tasks/bbq/utils.py:212-239 (bbq_generate)", version="4e7e0d4"),),
        ),
        Level(
            name="synonyms",
            about="Largest sum of log-probabilities over the two groups and ten ways to say unknown.",
            sources=(lm_eval("tasks/bbq/utils.py:242-249,376-382", version="4e7e0d4"),),
        ),
    )
}
CLOZE_SCORING = frozenset({"per_character", "per_token", "per_byte", "pmi", "pmi_spaced", "synonyms", "text_found"})
LETTER_SCORING = frozenset({"letter_logprob", "letter_token", "parsed_letter"})
ANSWER_SCORING = frozenset({"parsed_letter", "text_found"})

DELIMITER = Factor(
    name="delimiter",
    stage=Stage.PROMPT,
    about="What stands between the prompt and a continuation whose likelihood is asked.",
    levels=(
        Level(name="space", about="One space, also behind a chat template.", sources=(lm_eval("api/task.py:1312-1321"),)),
        Level(
            name="space_outside_chat",
            about="One space after plain text, nothing behind a chat template.",
            sources=(lm_eval("api/task.py:1376-1390", version="0.4.13"),),
        ),
        Level(
            name="none",
            about="Nothing: the answer follows the prompt's last character.",
            sources=(lighteval("tasks/tasks/toxigen.py:27-49", version="0.13.0"),),
        ),
    ),
)

DECODING = Factor(
    name="decoding",
    stage=Stage.DECODE,
    about="How an answer is drawn; only rules that read a free answer leave a choice.",
    levels=(
        Level(name="greedy", about="The likeliest token at each step.", sources=(openbench("evals/bbq.py:131-133"),)),
        Level(
            name="model_default",
            about="Sampled with the model's own generation settings and a seed for each item.",
            sources=(inspect_ai("model/_providers/hf.py:123-129"),),
        ),
    ),
)

PREFIX = Factor(
    name="prefix",
    stage=Stage.PROMPT,
    about="Which token stands before the prompt.",
    levels=(
        Level(
            name="tokenizer",
            about="What the tokenizer adds by itself.",
            sources=(lm_eval("models/huggingface.py", version="0.4.13"),),
        ),
        Level(
            name="none",
            about="Nothing, even where the tokenizer would add a token.",
            sources=(lm_eval("models/huggingface.py (add_special_tokens off unless add_bos_token)"),),
        ),
        Level(name="bos", about="The beginning-of-sequence token, or end-of-text where there is none.", sources=(OWN,)),
    ),
)


def completed(configuration: Configuration, factors: Sequence[Factor]) -> dict[str, str]:
    """Return the level of each declared factor: the configuration's, or the first where it names none."""
    named = configuration.as_dict()
    return {factor.name: named.get(factor.name, factor.levels[0].name) for factor in factors}


def template_factor(*names: str, own: Sequence[Level] = (), sources: Mapping[str, tuple[Source, ...]] | None = None) -> Factor:
    """The factor ``template`` with shared levels by name, then a benchmark's own.

    Parameters
    ----------
    *names : str
        Keys of `TEMPLATES`.
    own : sequence of Level
        The benchmark's own templates.
    sources : mapping of str to tuple of Source
        Who ships a shared template for this benchmark, where that is another file than the shared one.
    """
    replaced = sources or {}
    return Factor(
        name="template",
        stage=Stage.PROMPT,
        about="How the question is written, and whether the chat template is applied.",
        levels=(*(replace(TEMPLATES[name], sources=replaced.get(name, TEMPLATES[name].sources)) for name in names), *own),
    )


def shots_factor(*levels: str | Level) -> Factor:
    """The factor ``shots`` with shared levels by name and a benchmark's own as values, in the order given."""
    return Factor(
        name="shots",
        stage=Stage.PROMPT,
        about="What is shown before the question; examples come from a pool that is never evaluated.",
        levels=tuple(SHOTS[level] if isinstance(level, str) else level for level in levels),
    )


def scoring_factor(*names: str, cloze: Sequence[str] = CLOZE_TEMPLATES, joint: Sequence[str] = LETTER_TEMPLATES) -> Factor:
    """The factor ``scoring`` with shared levels by name, each nested in the presentations that admit it.

    Parameters
    ----------
    *names : str
        Keys of `SCORING`; ``sum`` exists everywhere.
    cloze : sequence of str
        The benchmark's templates that show no options.
    joint : sequence of str
        The benchmark's templates that show options under letters.
    """
    return Factor(
        name="scoring",
        stage=Stage.SCORE,
        about="How answers are read; which rules exist depends on the template.",
        levels=tuple(_nested(SCORING[name], tuple(cloze), tuple(joint)) for name in names),
    )


def _nested(level: Level, cloze: tuple[str, ...], joint: tuple[str, ...]) -> Level:
    requires: dict[str, tuple[str, ...]] = {}
    if level.name in CLOZE_SCORING:
        requires["template"] = cloze
    elif level.name in LETTER_SCORING:
        at_once = level.name != "parsed_letter"
        requires["template"] = tuple(name for name in joint if not (at_once and name == REASONING_TEMPLATE))
    if level.name not in ANSWER_SCORING:
        requires["decoding"] = ("greedy",)
    return replace(level, requires=requires)


def order_factor(default: str, *others: str, joint: Sequence[str] = LETTER_TEMPLATES, own: Sequence[Level] = ()) -> Factor:
    """The factor ``order``: `default` exists everywhere, the others only where options are shown under letters."""
    nested = {"template": tuple(joint)}
    levels = [_order_level(default, {}), *(_order_level(name, nested) for name in others), *own]
    return Factor(
        name="order",
        stage=Stage.PROMPT,
        about="In which order options are shown under letters.",
        levels=tuple(levels),
    )


def _order_level(name: str, requires: Mapping[str, tuple[str, ...]]) -> Level:
    if name == "as_listed":
        sources = (openbench("evals/truthfulqa.py:42-47"), inspect_evals("bbq/bbq.py:130-136"))
        return Level(name=name, about="The order of the benchmark's file.", sources=sources, requires=requires)
    return Level(
        name=name,
        about="A permutation of each item's own, drawn from a digest of the item's id and this level's name.",
        sources=(inspect_evals("truthfulqa/truthfulqa.py (shuffle, seed 42)"), OWN),
        requires=requires,
    )
