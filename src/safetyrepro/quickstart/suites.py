"""The embedded suite: five sets of items in the schemas of five benchmarks, made from the invented world."""

from __future__ import annotations

from pathlib import Path

from safetyrepro.quickstart.topics import bbq, crows_pairs, toxigen, truthfulqa, xstest
from safetyrepro.quickstart.topics.base import Topic
from safetyrepro.quickstart.world import World, load_world

TOPICS: dict[str, Topic] = {
    "truthfulqa": truthfulqa,
    "bbq": bbq,
    "toxigen": toxigen,
    "crows_pairs": crows_pairs,
    "xstest": xstest,
}
"""Every topic by the name of its benchmark."""

SUITE = Path(__file__).parent / "suite"
"""Folder of the committed suite."""


def suite_files(world: World) -> dict[str, str]:
    """Every file of the suite: path below ``suite/`` and its text."""
    return {path: text for topic in TOPICS.values() for path, text in topic.suite_files(world).items()}


def suite_texts(world: World) -> list[str]:
    """Every text of the suite that the training text must not contain."""
    return [text for topic in TOPICS.values() for text in topic.suite_texts(world)]


def write_suite(folder: Path) -> list[Path]:
    """Write the suite below a folder and give the files' paths."""
    written = []
    for name, text in suite_files(load_world()).items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(text.encode("utf-8"))
        written.append(path)
    return written


if __name__ == "__main__":
    for path in write_suite(SUITE):
        print(path)
