"""Which level is held against which package: what is run, what we render beside it, and what an equal pair of texts proves."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

LM_EVAL = "lm-evaluation-harness"
INSPECT_EVALS = "inspect_evals"
HELM = "helm"
LIGHTEVAL = "lighteval"
CHAT = ("--apply_chat_template",)


@dataclass(frozen=True, slots=True, kw_only=True)
class Check:
    """A stock task of a package beside a configuration of ours."""

    name: str
    """Name of the record."""
    package: str
    """The package, as sources name it."""
    version: str
    """Its release."""
    task: str
    """What is run."""
    files: tuple[str, ...]
    """The package's own files that write the text, below its root; their digests are recorded."""
    benchmark: str
    """Our adapter."""
    settings: Mapping[str, str]
    """The configuration that is rendered beside it."""
    proves: tuple[str, ...]
    """Levels that an equal text proves, as ``factor=level``."""
    redirect: str
    """The data set that the task names, and the file that took its place."""
    options: tuple[str, ...] = ()
    """Further words of the command line."""
    whole: bool = True
    """Whether our requests are the package's and no more; otherwise the package's are among ours."""
    difference: str = ""
    """Why the texts are expected to differ; empty where they are expected to be equal."""
    form: str = "text"
    """What the package's log holds: the ``text`` before the model, the ``turns`` of the conversation, or the ``tokens``."""


TASKS = {
    "truthfulqa_mc1": ("truthfulqa", ("tasks/truthfulqa/truthfulqa_mc1.yaml",), "truthfulqa/truthful_qa -> data/mc_task.json"),
    "truthfulqa_mc2": (
        "truthfulqa",
        ("tasks/truthfulqa/truthfulqa_mc2.yaml", "tasks/truthfulqa/truthfulqa_mc1.yaml", "tasks/truthfulqa/utils.py"),
        "truthfulqa/truthful_qa -> data/mc_task.json",
    ),
    "bbq": ("bbq", ("tasks/bbq/bbq_multiple_choice.yaml", "tasks/bbq/utils.py"), "oskarvanderwal/bbq -> data/*.jsonl"),
    "toxigen": (
        "toxigen",
        ("tasks/toxigen/toxigen.yaml", "tasks/toxigen/utils.py"),
        "skg/toxigen-data -> annotated_train.csv, bytes literals undone",
    ),
    "crows_pairs_english": (
        "crows_pairs",
        ("tasks/crows_pairs/crows_pairs_english.yaml", "tasks/crows_pairs/utils.py"),
        "crows_pairs_multilingual -> data/crows_pairs_anonymized.csv, the original pairs instead of the revised ones",
    ),
}
BASE: Mapping[str, Mapping[str, str]] = {
    "truthfulqa_mc1": {"shots": "primer", "scoring": "sum"},
    "truthfulqa_mc2": {"shots": "primer", "scoring": "sum"},
    "bbq": {"shots": "0", "scoring": "synonyms"},
    "toxigen": {"shots": "0", "scoring": "sum"},
    "crows_pairs_english": {"scoring": "sum"},
}


def _lm_eval(task: str, version: str, *, chat: bool) -> Check:
    benchmark, files, redirect = TASKS[task]
    pairs = benchmark == "crows_pairs"
    template = ("assistant_turn" if chat else "sentence") if pairs else ("cloze_chat" if chat else "cloze")
    delimiter = {} if pairs else {"delimiter": "space" if version == "0.4.5" else "space_outside_chat"}
    settings = {"template": template, **BASE[task], **delimiter}
    return Check(
        name=f"lm_eval-{version}-{task}{'-chat' if chat else ''}",
        package=LM_EVAL,
        version=version,
        task=task,
        files=files,
        benchmark=benchmark,
        settings=settings,
        proves=tuple(f"{factor}={level}" for factor, level in settings.items()),
        redirect=redirect,
        options=CHAT if chat else (),
        whole=benchmark != "truthfulqa",
    )


_MULTIPLE_CHOICE = {"template": "inspect_letters", "order": "as_listed", "shots": "0", "scoring": "parsed_letter"}


def _inspect(task: str, name: str, settings: Mapping[str, str], redirect: str, *options: str) -> Check:
    return Check(
        name=f"inspect_evals-0.26.0-{name}",
        package=INSPECT_EVALS,
        version="0.26.0",
        task=task,
        files=(f"{task}/{task}.py",),
        benchmark=task,
        settings=settings,
        proves=tuple(f"{factor}={level}" for factor, level in settings.items() if factor != "scoring"),
        redirect=redirect,
        options=options,
        form="turns",
    )


def _xstest(subset: str) -> Check:
    settings = {"system_prompt": "helpful", "decoding": "greedy_256", "scoring": "prefix_match"}
    return _inspect("xstest", f"xstest-{subset}", settings, "walledai/XSTest -> xstest_prompts.csv", "-T", f"subset={subset}")


def _helm(name: str, entry: str, benchmark: str, files: tuple[str, ...], settings: Mapping[str, str], redirect: str) -> Check:
    return Check(
        name=f"helm-0.5.16-{name}",
        package=HELM,
        version="0.5.16",
        task=entry,
        files=files,
        benchmark=benchmark,
        settings=settings,
        proves=tuple(f"{factor}={level}" for factor, level in settings.items() if factor not in ("scoring", "decoding")),
        redirect=redirect,
        form="turns" if benchmark == "xstest" else "text",
    )


_ADAPTERS = (
    "benchmark/adaptation/common_adapter_specs.py",
    "benchmark/adaptation/adapters/multiple_choice_joint_adapter.py",
    "benchmark/adaptation/adapters/in_context_learning_adapter.py",
    "benchmark/run_specs/classic_run_specs.py",
    "clients/huggingface_client.py",
)
_HELM_BBQ = (*_ADAPTERS, "benchmark/scenarios/bbq_scenario.py")
_HELM_TRUTH = (*_ADAPTERS, "benchmark/scenarios/truthful_qa_scenario.py")
_HELM_XSTEST = (
    "benchmark/run_specs/safety_run_specs.py",
    "benchmark/scenarios/xstest_scenario.py",
    "clients/huggingface_client.py",
)
_BBQ_FILES = "nyu-mll/BBQ main -> data/*.jsonl"
_TRUTH_FILE = "sylinrl/TruthfulQA@d71c110:data/v1/TruthfulQA.csv -> TruthfulQA.csv of 2022"
_JOINT = "method=multiple_choice_joint"


def _letters(template: str, shots: str, order: str) -> dict[str, str]:
    return {"template": template, "shots": shots, "order": order, "scoring": "letter_token"}


_HELM_LETTERS = (
    _helm("bbq-5", f"bbq:subject=all,{_JOINT}", "bbq", _HELM_BBQ, _letters("helm_letters", "5", "as_listed"), _BBQ_FILES),
    _helm(
        "bbq-0",
        f"bbq:subject=all,{_JOINT},max_train_instances=0",
        "bbq",
        _HELM_BBQ,
        _letters("helm_letters", "0", "as_listed"),
        _BBQ_FILES,
    ),
    _helm(
        "bbq-safety",
        f"bbq:subject=all,{_JOINT},max_train_instances=0,output_format_instructions=bbq",
        "bbq",
        (*_HELM_BBQ, "benchmark/run_expander.py"),
        _letters("helm_single_letter", "0", "as_listed"),
        _BBQ_FILES,
    ),
    _helm(
        "truthfulqa-5",
        f"truthful_qa:task=mc_single,{_JOINT}",
        "truthfulqa",
        _HELM_TRUTH,
        _letters("helm_letters", "5", "helm_rotation"),
        _TRUTH_FILE,
    ),
    _helm(
        "truthfulqa-0",
        f"truthful_qa:task=mc_single,{_JOINT},max_train_instances=0",
        "truthfulqa",
        _HELM_TRUTH,
        _letters("helm_letters", "0", "helm_rotation"),
        _TRUTH_FILE,
    ),
)
HELM_CHECKS = (
    *_HELM_LETTERS,
    *(replace(check, name=check.name.replace("0.5.16", "0.5.5"), version="0.5.5") for check in _HELM_LETTERS),
    _helm(
        "xstest",
        "xstest",
        "xstest",
        _HELM_XSTEST,
        {"system_prompt": "chat_default", "decoding": "greedy_512", "scoring": "prefix_match"},
        "walledai/XSTest -> xstest_prompts.csv",
    ),
)

_PLAIN = ("override_chat_template=false",)
_ONE_FIRST_TOKEN = ("add_special_tokens=false",)
_TWO_FIRST_TOKENS = "behind a chat template lighteval writes the first token a second time unless add_special_tokens=false"


def _lighteval(task: str, name: str, template: str, options: tuple[str, ...], difference: str = "") -> Check:
    benchmark, file, like = {
        "toxigen": ("toxigen", "tasks/tasks/toxigen.py", "toxigen"),
        "truthfulqa:mc": ("truthfulqa", "tasks/tasks/truthfulqa.py", "truthfulqa_mc1"),
    }[task]
    settings = {"template": template, **BASE[like], "delimiter": "none" if benchmark == "toxigen" else "space"}
    return Check(
        name=f"lighteval-0.13.0-{name}",
        package=LIGHTEVAL,
        version="0.13.0",
        task=task,
        files=(file, "tasks/prompt_manager.py", "models/abstract_model.py", "models/transformers/transformers_model.py"),
        benchmark=benchmark,
        settings=settings,
        proves=tuple(f"{factor}={level}" for factor, level in settings.items()),
        redirect=TASKS[like][2],
        options=options,
        whole=benchmark != "truthfulqa",
        form="tokens",
        difference=difference,
    )


LIGHTEVAL_CHECKS = (
    _lighteval("truthfulqa:mc", "truthfulqa", "cloze", _PLAIN),
    _lighteval("toxigen", "toxigen", "cloze", _PLAIN),
    _lighteval("truthfulqa:mc", "truthfulqa-chat", "cloze_chat", _ONE_FIRST_TOKEN),
    _lighteval("toxigen", "toxigen-chat", "cloze_chat", _ONE_FIRST_TOKEN),
    _lighteval("truthfulqa:mc", "truthfulqa-chat-default", "cloze_chat", (), _TWO_FIRST_TOKENS),
    _lighteval("toxigen", "toxigen-chat-default", "cloze_chat", (), _TWO_FIRST_TOKENS),
)

CHECKS: tuple[Check, ...] = (
    *(_lm_eval(task, "0.4.13", chat=chat) for task in TASKS for chat in (False, True)),
    *(_lm_eval(task, "0.4.5", chat=chat) for task in TASKS if task != "bbq" for chat in (False, True)),
    _xstest("safe"),
    _xstest("unsafe"),
    _inspect(
        "truthfulqa",
        "truthfulqa",
        _MULTIPLE_CHOICE,
        "truthfulqa/truthful_qa -> data/mc_task.json",
        *("-T", "shuffle=false", "-T", "shuffle_choices=false", "--max-tokens", "8"),
    ),
    _inspect("bbq", "bbq", _MULTIPLE_CHOICE, "heegyu/bbq -> data/*.jsonl", "--max-tokens", "8"),
    *HELM_CHECKS,
    *LIGHTEVAL_CHECKS,
)
