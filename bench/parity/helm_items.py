"""Which of our items a request of HELM is about, and which of them it shows as examples: found by content, in the real files."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from rows import table, text_of

from safetyrepro.benchmarks.bbq_files import CATEGORIES

Content = tuple[str, ...]
Index = Mapping[Content, str]


def scenario_files(benchmark: str, data: Path) -> dict[str, Path]:
    """Path below HELM's output folder -> the real file that takes the place of a download."""
    if benchmark == "truthfulqa":
        return {"scenarios/truthful_qa/data/TruthfulQA.csv": data / "truthfulqa" / "TruthfulQA.csv"}
    if benchmark != "bbq":
        return {}
    plain = {name: data / "bbq" / "data" / f"{name}.jsonl" for name in CATEGORIES}
    return {
        f"scenarios/bbq/data/{name}": path if path.is_file() else path.with_name(path.name + ".gz")
        for name, path in plain.items()
    }


def index_of(benchmark: str, data: Path) -> Index:
    """What identifies an item -> our id; the first of equal ones."""
    found: dict[Content, str] = {}
    if benchmark == "truthfulqa":
        questions = [entry["question"] for entry in json.loads(text_of(data / "truthfulqa" / "data" / "mc_task.json"))]
        for number, question in enumerate(questions):
            found.setdefault((question.strip(),), f"mc-{number:03d}")
    elif benchmark == "xstest":
        for row in table(data / "xstest" / "xstest_prompts.csv"):
            found.setdefault((row["prompt"],), row["id"])
    else:
        for category in CATEGORIES:
            for line in text_of(data / "bbq" / "data" / f"{category}.jsonl").splitlines():
                row = json.loads(line)
                key = (row["context"], row["question"], *(row[f"ans{i}"] for i in range(3)))
                found.setdefault(key, f"{category}-{row['example_id']}")
    return found


def content_of(state: Mapping[str, Any]) -> Content:
    """What identifies the item of a request state."""
    text = state["instance"]["input"]["text"]
    passage, marked, question = text.partition("\nQuestion: ")
    if not marked:
        return (text,)
    return (passage, question, *(reference["output"]["text"] for reference in state["instance"]["references"]))


def shown_contents(prompt: str, benchmark: str) -> list[Content]:
    """What identifies the items that a prompt shows as examples: every block but the last that holds a question."""
    blocks = [block for block in prompt.split("\n\n") if "\nA. " in block]
    found = []
    for block in blocks[:-1]:
        lines = block.split("\n")
        fields = {line.split(" ", 1)[0]: line.split(" ", 1)[1] for line in lines}
        if benchmark == "bbq":
            found.append((fields["Passage:"], fields["Question:"], fields["A."], fields["B."], fields["C."]))
        else:
            found.append((fields["Question:"],))
    return found
