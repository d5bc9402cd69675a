"""Run packages in their own environments and record what they sent, as digests and ids.

Usage: python bench/parity/record.py ENVIRONMENTS WORK [NAME...]

ENVIRONMENTS holds one virtual environment for each package and version (see README.md), WORK takes what they write. NAMEs are
beginnings of check names; none is all. A run that lies in WORK is read, not repeated. Nothing of a benchmark's text is written outside WORK.
"""

from __future__ import annotations

import hashlib
import json
import shutil
import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from checks import CHECKS, HELM, INSPECT_EVALS, LIGHTEVAL, LM_EVAL, Check
from compare import RECORDED, equal
from helm_items import content_of, index_of, scenario_files, shown_contents
from ours import CHECKPOINTS, ROOT, digest_of, rendered, requests_of
from programs import Ran, Sent, helm, inspect_evals, lighteval, lm_eval
from rows import N_ITEMS, READERS, hub_sets

CHECKPOINT = "tiny-llama"
MAX_LENGTH = 4096
DATA = ROOT.parent / "shared" / "data"


def converted(target: Path) -> Path:
    """The toy checkpoint as transformers 4 can read it too: the same weights, two fields of the configuration written twice."""
    shutil.copytree(CHECKPOINTS / CHECKPOINT, target, dirs_exist_ok=True)
    for name, more in (("config.json", _rope), ("tokenizer_config.json", _tokenizer_class)):
        path = target / name
        content = json.loads(path.read_text(encoding="utf-8"))
        path.write_text(json.dumps({**content, **more(content)}, indent=2), encoding="utf-8")
    return target


def _rope(config: Mapping[str, Any]) -> dict[str, Any]:
    return {"rope_theta": config["rope_parameters"]["rope_theta"], "torch_dtype": config["dtype"]}


def _tokenizer_class(_: Mapping[str, Any]) -> dict[str, Any]:
    return {"tokenizer_class": "PreTrainedTokenizerFast", "model_max_length": MAX_LENGTH}


def run(checks: Sequence[Check], python: Path, work: Path) -> dict[str, Ran]:
    """Run the package that checks of one command line name, by task."""
    first = checks[0]
    sets = hub_sets(DATA, [check.benchmark for check in checks])
    if first.package == LM_EVAL:
        checkpoint = converted(work / CHECKPOINT) if first.version == "0.4.5" else CHECKPOINTS / CHECKPOINT
        return lm_eval(python, sets, [check.task for check in checks], checkpoint, work, first.options)
    if first.package == INSPECT_EVALS:
        (check,) = checks
        rows = READERS[check.benchmark](DATA).rows
        return {check.task: inspect_evals(python, sets, check.task, CHECKPOINTS / CHECKPOINT, work, check.options, rows)}
    if first.package == LIGHTEVAL:
        checkpoint = converted(work / CHECKPOINT)
        return lighteval(python, sets, [check.task for check in checks], checkpoint, work, first.options)
    if first.package == HELM:
        return {check.task: helm_ran(check, python, work) for check in checks}
    message = f"nobody runs {first.package}"
    raise ValueError(message)


def helm_ran(check: Check, python: Path, work: Path) -> Ran:
    """Run HELM, and find the item of each request and those that it shows."""
    plain = converted(work / f"{CHECKPOINT}-plain")
    (plain / "chat_template.jinja").unlink(missing_ok=True)
    sets = hub_sets(DATA, ["xstest"]) if check.benchmark == "xstest" else {}
    states = helm(python, sets, check.task, plain, work, scenario_files(check.benchmark, DATA), N_ITEMS)
    index = index_of(check.benchmark, DATA)
    sent, shown = [], {}
    for row, state in enumerate(states):
        item_id, prompt = index[content_of(state)], state["request"]["prompt"]
        text = prompt if check.form == "text" else json.dumps([["user", prompt]], ensure_ascii=False)
        sent.append(Sent(row=row, item_id=item_id, requests=((text, None),)))
        shown[item_id] = [index[content] for content in shown_contents(prompt, check.benchmark)]
    asked = {name: states[0]["request"][name] for name in ("max_tokens", "temperature", "stop_sequences")}
    blocks = {tuple(ids) for ids in shown.values()}
    return Ran(sent=tuple(sent), settings=asked, shown={"*": list(blocks.pop())} if len(blocks) == 1 else shown)


def package_root(python: Path, module: str) -> Path:
    """Folder of an installed package, found without importing it."""
    code = f"import importlib.util as u; print(u.find_spec({module!r}).submodule_search_locations[0])"
    done = subprocess.run([str(python), "-c", code], capture_output=True, text=True, check=True)
    return Path(done.stdout.strip().splitlines()[-1])


def recorded(check: Check, ran: Ran, root: Path) -> dict[str, Any]:
    """What is kept of a run."""
    ids = READERS[check.benchmark](DATA).ids
    theirs = {
        one.item_id or ids[one.row]: [digest_of(text, continuation) for text, continuation in one.requests] for one in ran.sent
    }
    chat, n_equal = False, 0
    for item_id, digests in theirs.items():
        shown = ran.shown.get(item_id, ran.shown.get("*", ()))
        requests = requests_of(check.benchmark, item_id, check.settings, DATA, shown=shown)
        chat = chat or check.form == "tokens" or (check.form == "text" and any(request.prompt.chat for request in requests))
        ours = [digest_of(text, continuation) for text, continuation in rendered(requests, CHECKPOINT, form=check.form)]
        n_equal += equal(digests, ours, whole=check.whole)
    files = {name: hashlib.sha256((root / name).read_bytes()).hexdigest() for name in check.files}
    return {
        "name": check.name,
        "package": check.package,
        "version": check.version,
        "task": check.task,
        "options": list(check.options),
        "files": files,
        "redirect": check.redirect,
        "benchmark": check.benchmark,
        "settings": dict(check.settings),
        "proves": list(check.proves),
        "checkpoint": CHECKPOINT,
        "form": check.form,
        "chat": chat,
        "whole": check.whole,
        "equal": n_equal == len(theirs),
        "n_equal": n_equal,
        "n_items": len(theirs),
        "difference": check.difference,
        "log": dict(ran.settings),
        "metrics": dict(ran.metrics),
        "shown": {name: list(ids) for name, ids in ran.shown.items()},
        "digests": theirs,
    }


def groups(names: Sequence[str]) -> Iterator[list[Check]]:
    """Checks that share a run, of those whose name begins with one of `names`: some packages take several tasks at once."""
    chosen = [check for check in CHECKS if not names or any(check.name.startswith(name) for name in names)]
    for key in dict.fromkeys(_run_of(check) for check in chosen):
        yield [check for check in chosen if _run_of(check) == key]


def _run_of(check: Check) -> tuple[str, ...]:
    return (check.package, check.version, *check.options, *([] if check.package in (LM_EVAL, LIGHTEVAL) else [check.name]))


def main() -> None:
    """Run and record."""
    environments, work, *names = sys.argv[1:]
    for checks in groups(names):
        module, folder = MODULES[checks[0].package]
        python = Path(environments).resolve() / folder.format(version=checks[0].version) / "bin" / "python"
        place = Path(work).resolve() / checks[0].name
        place.mkdir(parents=True, exist_ok=True)
        ran = run(checks, python, place)
        for check in checks:
            found = recorded(check, ran[check.task], package_root(python, module))
            (RECORDED / f"{check.name}.json").write_text(json.dumps(found, indent=1) + "\n", encoding="utf-8")
            print(f"{check.name}: {found['n_equal']} of {found['n_items']} items equal", flush=True)


MODULES = {
    LM_EVAL: ("lm_eval", "lm-eval-{version}"),
    INSPECT_EVALS: ("inspect_evals", "inspect_evals-{version}"),
    HELM: ("helm", "helm-{version}"),
    LIGHTEVAL: ("lighteval", "lighteval-{version}"),
}


if __name__ == "__main__":
    main()
