"""What changed in the newest releases of other packages: a fresh run of each on a toy checkpoint, ingested, beside the last record.

    python bench/drift.py [NAME...] [--environments DIR] [--work DIR] [--install] [--record] [--output bench/results/drift.json]

NAMEs are lm-eval, inspect, helm, lighteval; none is all. With ``--install`` each newest release is installed by pip into an environment
of its own below DIR; without it the environments that lie there are used. Each package runs as a program, offline, on ten questions
about invented things, with the toy checkpoint tiny-llama. What a reader of ours finds in its files is compared with the record: the
version, the libraries that pip chose for it, the factors and their levels, what is not disclosed, the questions, the number of items, and
the names in the files. ``--record`` writes what was found as the new record.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import subprocess
import sys
import tempfile
import venv
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from safetyrepro.harnesses.discovery import discover

ROOT = Path(__file__).resolve().parents[1]
CHECKPOINT = ROOT / "src" / "safetyrepro" / "quickstart" / "checkpoints" / "tiny-llama"
LIMIT_SECONDS = 1200.0
LIBRARIES = ("inspect-evals", "torch", "transformers", "tokenizers", "datasets", "huggingface-hub", "numpy", "pyarrow")
"""Libraries whose release can change what a package sends, though the package's own does not change."""
THINGS = ("lake", "tower", "bread", "market", "stone", "lamp", "boat", "bell", "kite", "stool")
ROWS = [
    {
        "id": n,
        "question": f"What is a {thing} of Ostrevane made of?",
        "choices": [f"Of {m}." for m in ("wool", "tin", "clay", "bone")],
    }
    | {"label": n % 4}
    for n, thing in enumerate(THINGS)
]

LM_EVAL_TASK = """task: ten
dataset_path: json
dataset_kwargs: {{data_files: {{validation: {rows}}}}}
output_type: multiple_choice
validation_split: validation
doc_to_text: "Q: {{{{question}}}}\\nA:"
doc_to_target: label
doc_to_choice: choices
metric_list: [{{metric: acc, aggregation: mean, higher_is_better: true}}, {{metric: acc_norm, aggregation: mean, higher_is_better: true}}]
metadata: {{version: 1.0}}
"""
INSPECT_TASK = """from inspect_ai import Task, task
from inspect_ai.dataset import Sample, json_dataset
from inspect_ai.scorer import choice
from inspect_ai.solver import multiple_choice


def sample(row):
    return Sample(id=str(row["id"]), input=row["question"], choices=row["choices"], target="ABCD"[row["label"]])


@task
def ten():
    return Task(dataset=json_dataset({rows!r}, sample), solver=[multiple_choice()], scorer=choice())
"""
HELM_TASK = """import json
from helm.benchmark.adaptation.common_adapter_specs import get_multiple_choice_adapter_spec
from helm.benchmark.metrics.common_metric_specs import get_exact_match_metric_specs
from helm.benchmark.run_spec import RunSpec, run_spec_function
from helm.benchmark.scenarios.scenario import CORRECT_TAG, TEST_SPLIT, Input, Instance, Output, Reference, Scenario, ScenarioSpec


class TenScenario(Scenario):
    name, description, tags = "ten", "ten questions", []

    def get_instances(self, output_path):
        found = []
        for row in map(json.loads, open({rows!r})):
            marked = enumerate(row["choices"])
            answers = [Reference(Output(text=text), tags=[CORRECT_TAG] if n == row["label"] else []) for n, text in marked]
            found.append(Instance(id=f"id{{row['id']}}", input=Input(text=row["question"]), references=answers, split=TEST_SPLIT))
        return found


@run_spec_function("ten")
def ten():
    adapter = get_multiple_choice_adapter_spec(
        method="multiple_choice_joint", instructions="", input_noun="Question", output_noun="Answer", max_train_instances=0
    )
    scenario = ScenarioSpec(class_name="ten_helm.TenScenario", args={{}})
    return RunSpec(
        name="ten:method=multiple_choice_joint", scenario_spec=scenario, adapter_spec=adapter,
        metric_specs=get_exact_match_metric_specs(), groups=["ten"],
    )
"""
LIGHTEVAL_TASK = """from lighteval.metrics.metrics import Metrics
from lighteval.tasks.lighteval_task import LightevalTaskConfig
from lighteval.tasks.requests import Doc


def ten(line, task_name=None):
    return Doc(task_name=task_name, query=f"Q: {{line['question']}}\\nA:", choices=[f" {{c}}" for c in line["choices"]], gold_index=line["label"])


TASKS_TABLE = [
    LightevalTaskConfig(
        name="ten", prompt_function=ten, hf_repo={folder!r}, hf_subset="default", hf_avail_splits=["test"],
        evaluation_splits=["test"], metrics=[Metrics.loglikelihood_acc], generation_size=1, few_shots_split=None, version=0,
    )
]
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Package:
    """A package that is run."""

    module: str
    """Name of its distribution."""
    requirements: tuple[str, ...]
    """What pip installs: the newest release, with what it needs to run."""
    environments: tuple[str, ...]
    """Names under which its environment is looked for."""
    command: Callable[[Path, Path], list[str]]
    """Folder of work and of the environment -> words of the command line; writes below ``out``."""


def readable(work: Path) -> Path:
    """The checkpoint as every transformers can read it: the same weights, a few fields of the configuration written twice."""
    target = shutil.copytree(CHECKPOINT, work / CHECKPOINT.name)
    for name in ("config.json", "tokenizer_config.json"):
        content = json.loads((target / name).read_text(encoding="utf-8"))
        if name == "config.json":
            more = {"rope_theta": content["rope_parameters"]["rope_theta"], "torch_dtype": content["dtype"]}
        else:
            more = {"tokenizer_class": "PreTrainedTokenizerFast", "model_max_length": 2048}
        (target / name).write_text(json.dumps({**content, **more}), encoding="utf-8")
    return target


def _lm_eval(work: Path, environment: Path) -> list[str]:
    (work / "ten.yaml").write_text(LM_EVAL_TASK.format(rows=work / "ten.jsonl"))
    arguments = ["--model", "hf", "--model_args", f"pretrained={CHECKPOINT},dtype=float32", "--tasks", "ten"]
    arguments += ["--include_path", str(work), "--device", "cpu", "--batch_size", "4", "--log_samples"]
    return [str(environment / "bin" / "lm_eval"), *arguments, "--output_path", str(work / "out")]


def _inspect(work: Path, environment: Path) -> list[str]:
    (work / "ten.py").write_text(INSPECT_TASK.format(rows=str(work / "ten.jsonl")))
    arguments = ["eval", "ten.py@ten", "--model", "hf/local", "-M", f"model_path={CHECKPOINT}", "-M", "device=cpu"]
    arguments += ["--max-tokens", "8", "--seed", "7", "--display", "none", "--log-dir", str(work / "out")]
    return [str(environment / "bin" / "inspect"), *arguments]


def _helm(work: Path, environment: Path) -> list[str]:
    (work / "ten_helm.py").write_text(HELM_TASK.format(rows=str(work / "ten.jsonl")))
    plain = readable(work)
    (plain / "chat_template.jinja").unlink(missing_ok=True)
    arguments = ["--plugins", "ten_helm.py", "-r", "ten:model=huggingface/tiny-llama", "--suite", "drift", "-n", "1"]
    arguments += ["--enable-local-huggingface-models", str(plain), "--max-eval-instances", "10", "--disable-cache"]
    return [str(environment / "bin" / "helm-run"), *arguments, "-o", str(work / "out")]


def _lighteval(work: Path, environment: Path) -> list[str]:
    data = work / "rows"
    data.mkdir()
    shutil.copyfile(work / "ten.jsonl", data / "test.jsonl")
    (work / "ten.py").write_text(LIGHTEVAL_TASK.format(folder=str(data)))
    for tasks in environment.glob("lib/python3*/site-packages/lighteval/tasks/tasks"):
        # Its registry fetches this file at import and reads it for another task only.
        (tasks / "tinyBenchmarks.pkl").touch()
    arguments = ["accelerate", f"model_name={readable(work)},dtype=float32,batch_size=4", "ten|0", "--custom-tasks", "ten.py"]
    return [str(environment / "bin" / "lighteval"), *arguments, "--output-dir", str(work / "out"), "--save-details"]


PACKAGES: Mapping[str, Package] = {
    "lm-eval": Package(
        module="lm_eval",
        requirements=("lm_eval[hf]", "accelerate"),
        environments=("lm-eval-newest", "lm-eval-new"),
        command=_lm_eval,
    ),
    "inspect": Package(
        module="inspect_ai",
        requirements=("inspect-ai", "inspect_evals", "transformers", "accelerate"),
        environments=("inspect-newest", "inspect-new"),
        command=_inspect,
    ),
    "helm": Package(
        module="crfm-helm",
        requirements=("crfm-helm",),
        environments=("helm-newest", "helm-new"),
        command=_helm,
    ),
    "lighteval": Package(
        module="lighteval",
        requirements=("lighteval", "transformers<5", "huggingface_hub<1", "datasets<5", "xxhash<3.7"),
        environments=("lighteval-newest", "lighteval"),
        command=_lighteval,
    ),
}


def environment_of(name: str, folder: Path, *, install: bool) -> Path:
    """The environment of a package; made anew where it is to be installed."""
    package = PACKAGES[name]
    if not install:
        found = [folder / one for one in package.environments if (folder / one / "bin" / "python").exists()]
        if not found:
            raise SystemExit(f"{folder} has none of {', '.join(package.environments)}; give --install to make one")
        return found[0]
    place = folder / package.environments[0]
    venv.create(place, with_pip=True, clear=True)
    pip = [str(place / "bin" / "python"), "-m", "pip", "--disable-pip-version-check", "-q"]
    subprocess.run([*pip, "install", "--no-input", f"torch=={_torch()}", *package.requirements], check=True)
    # The torchvision that some packages bring is built for another torch, and nothing here looks at pictures.
    subprocess.run([*pip, "uninstall", "-y", "torchvision"], check=True)
    return place


def _torch() -> str:
    lines = (ROOT / "constraints.txt").read_text(encoding="utf-8").splitlines()
    return next(line.partition("==")[2].split()[0] for line in lines if line.startswith("torch=="))


def run(name: str, environment: Path, work: Path) -> Path:
    """Run a package and return the folder that it wrote."""
    work.mkdir(parents=True)
    (work / "ten.jsonl").write_text("".join(f"{json.dumps(row)}\n" for row in ROWS))
    command = PACKAGES[name].command(work, environment)
    quiet = {"HF_HUB_OFFLINE": "1", "HF_DATASETS_OFFLINE": "1", "OMP_NUM_THREADS": "1", "TOKENIZERS_PARALLELISM": "false"}
    path = os.pathsep.join([str(environment / "bin"), os.environ.get("PATH", "")])
    kept = {one: os.environ[one] for one in ("LANG", "OPENBLAS_CORETYPE", "OPENBLAS_L2_SIZE") if one in os.environ}
    surroundings = {**kept, **quiet, "PATH": path, "HOME": str(work), "PYTHONPATH": str(work)}
    done = subprocess.run(
        command, cwd=work, env=surroundings, capture_output=True, text=True, timeout=LIMIT_SECONDS, check=False
    )
    if done.returncode:
        raise RuntimeError(f"{' '.join(command[:2])} ended with {done.returncode}: {(done.stdout + done.stderr)[-1500:]}")
    return work / "out"


def facts(name: str, environment: Path, out: Path) -> dict[str, Any]:
    """What our reader finds in the files of a run."""
    readings = list(discover([out]))
    runs = [run for reading in readings for run in reading.runs]
    items = [item for run in runs for item in run.items()]
    versions = versions_in(environment)
    return {
        "installed": versions[_plain_name(PACKAGES[name].module)],
        "with": {library: versions[library] for library in LIBRARIES if library in versions},
        "stated version": sorted({str(run.harness_version) for run in runs}),
        "files refused": sorted(
            str(reading.refusal) for reading in readings if reading.refusal is not None and reading.harness
        ),
        "runs": len(runs),
        "factors": {f"{run.benchmark}: {factor}": _plain(level) for run in runs for factor, level in run.settings.items()},
        "not disclosed": sorted({field for run in runs for field in run.undisclosed}),
        "questions": sorted({estimand.name for run in runs for estimand in run.estimands}),
        "items": len(items),
        "items with": {
            what: sum(bool(getattr(item, what)) for item in items)
            for what in ("text", "options", "gold", "prompt", "tokens", "response", "loglikelihoods")
        },
        "names in the files": _names(out),
    }


def versions_in(environment: Path) -> dict[str, str]:
    """Every distribution of an environment with its version."""
    code = "import importlib.metadata as m, json; print(json.dumps([[d.name, d.version] for d in m.distributions()]))"
    said = subprocess.run([str(environment / "bin" / "python"), "-c", code], capture_output=True, text=True, check=True)
    # What stands behind the plus says which device a build is for, which is the machine's and not the release's.
    return {_plain_name(name): version.partition("+")[0] for name, version in json.loads(said.stdout)}


def _plain_name(distribution: str) -> str:
    return distribution.lower().replace("_", "-")


def _plain(level: str) -> str:
    return "CHECKPOINT" if CHECKPOINT.name in level else level


def _names(out: Path) -> list[str]:
    """Names of the outermost members of every JSON file, by the beginning of the file's name."""
    found = set()
    for path in sorted(out.rglob("*.json*")):
        kind = path.name.split("_")[0].split(".")[0]
        with path.open(encoding="utf-8") as file:
            first = file.readline() if path.suffix == ".jsonl" else file.read()
        content = json.loads(first)
        found |= {f"{kind}: {member}" for member in content if isinstance(content, dict)}
    return sorted(found)


def changes(before: Any, now: Any, where: str = "") -> list[str]:
    """What differs between two records, one line each."""
    if isinstance(before, dict) and isinstance(now, dict):
        names = dict.fromkeys([*before, *now])
        return [
            line for one in names for line in changes(before.get(one), now.get(one), f"{where}{' / ' if where else ''}{one}")
        ]
    if isinstance(before, list) and isinstance(now, list):
        gone = [f"{where}: gone: {one}" for one in before if one not in now]
        return gone + [f"{where}: new: {one}" for one in now if one not in before]
    return [] if before == now else [f"{where}: {before} -> {now}"]


def arguments() -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("names", nargs="*", metavar="NAME", help=", ".join(PACKAGES))
    parser.add_argument("--environments", type=Path, default=ROOT / ".envs")
    parser.add_argument("--work", type=Path)
    parser.add_argument("--install", action="store_true")
    parser.add_argument("--record", action="store_true")
    parser.add_argument("--output", type=Path, default=Path(__file__).resolve().parent / "results" / "drift.json")
    return parser.parse_args()


def main(given: argparse.Namespace) -> int:
    """Run every package; 1 where one changed or could not be run."""
    record = json.loads(given.output.read_text(encoding="utf-8")) if given.output.is_file() else {}
    found, failed = {}, False
    with tempfile.TemporaryDirectory() as scratch:
        for name in given.names or PACKAGES:
            try:
                environment = environment_of(name, given.environments.resolve(), install=given.install)
                out = run(name, environment, (given.work or Path(scratch)).resolve() / name)
            except (RuntimeError, subprocess.TimeoutExpired, subprocess.CalledProcessError) as error:
                print(f"{name}: did not run: {error}", flush=True)
                failed = True
                continue
            found[name] = facts(name, environment, out)
            different = changes(record.get(name, {}), found[name]) if name in record else ["no record yet"]
            read = f"{found[name]['runs']} runs, {found[name]['items']} items read"
            print(f"{name} {found[name]['installed']}: {read}; {len(different) or 'nothing'} changed", flush=True)
            print("".join(f"  {line}\n" for line in different), end="", flush=True)
            failed = failed or bool(different)
    if given.record:
        given.output.write_text(json.dumps({**record, **found}, indent=1) + "\n", encoding="utf-8")
        return 0
    return int(failed)


if __name__ == "__main__":
    sys.exit(main(arguments()))
