"""A program of another package, started and ended: its own home, no network, a time limit, and one sentence when it fails."""

from __future__ import annotations

import json
import os
import re
import shutil
import signal
import subprocess
from dataclasses import dataclass
from pathlib import Path

from safetyrepro.errors import ModelError
from safetyrepro.harnesses import redirected
from safetyrepro.harnesses.program import CHECKPOINT, OUTPUT, Launch
from safetyrepro.records import Json, digest_of

LOG = "log.txt"
FINISHED = "finished.json"
_ROWS = "rows.json"
_KEPT = ("PATH", "LANG", "LD_LIBRARY_PATH", "OPENBLAS_CORETYPE", "OPENBLAS_L2_SIZE", "TMPDIR")
_UNBOUNDED = 10**9
_EXCEPTION = re.compile(r"[\w.]*(Error|Exception|Exit|Interrupt)\b.*: ")


@dataclass(frozen=True, slots=True, kw_only=True)
class Start:
    """What a program is started with."""

    name: str
    """What messages call the run."""
    python: Path
    """The Python of its environment."""
    launch: Launch
    """Its words and data."""
    checkpoint: Path
    """Folder of the model."""
    dtype: str
    """Number format of the weights."""
    older: bool
    """Whether its transformers is of major 4."""
    device: str
    """Device, as the study's engine says."""
    threads: int
    """CPU threads."""
    seconds: float
    """Time after which it is ended."""

    @property
    def digest(self) -> str:
        """What tells this run from another one, without where it lies."""
        launch = self.launch
        words: list[str] = [str(self.python), str(self.checkpoint), self.dtype, self.device, launch.module, *launch.arguments]
        return digest_of([*words, json.dumps([launch.sets, launch.seeds], sort_keys=True, default=list)])


def finished(start: Start, folder: Path) -> bool:
    """Whether this very run ended well in a folder before."""
    try:
        return bool(json.loads((folder / FINISHED).read_text(encoding="utf-8")) == {"digest": start.digest})
    except (OSError, ValueError):
        return False


def carry_out(start: Start, folder: Path) -> Path:
    """Run a program in a folder and return where it wrote; a run that ended well there is not repeated.

    Raises
    ------
    ModelError
        If it does not end well: an exit code, a signal, or the time limit; the sentence holds the last line that it said.
    """
    if finished(start, folder):
        return folder / OUTPUT
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    readable_checkpoint(start.checkpoint, folder / CHECKPOINT, dtype=start.dtype, older=start.older)
    for name, text in start.launch.seeds.items():
        place = folder / name
        place.parent.mkdir(parents=True, exist_ok=True)
        place.write_text(text, encoding="utf-8")
    (folder / _ROWS).write_text(json.dumps(start.launch.sets, default=list), encoding="utf-8")
    code = _run(start, folder)
    if code != 0:
        raise _failure(start, folder, code)
    (folder / FINISHED).write_text(json.dumps({"digest": start.digest}), encoding="utf-8")
    return folder / OUTPUT


def _run(start: Start, folder: Path) -> int | None:
    """Exit code of the program; None where the time ran out and it was ended with all that it had started."""
    words = [
        str(start.python),
        "-I",
        str(Path(redirected.__file__).resolve()),
        _ROWS,
        start.launch.module,
        *start.launch.arguments,
    ]
    with (folder / LOG).open("wb") as log:
        process = subprocess.Popen(
            words,
            cwd=folder,
            env=_environment(start, folder / "home"),
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
        try:
            return process.wait(timeout=start.seconds)
        except subprocess.TimeoutExpired:
            return None
        finally:
            if process.poll() is None:
                os.killpg(process.pid, signal.SIGKILL)
                process.wait()


def _environment(start: Start, home: Path) -> dict[str, str]:
    home.mkdir(parents=True, exist_ok=True)
    kept = {name: os.environ[name] for name in _KEPT if name in os.environ}
    devices = {"auto": os.environ.get("CUDA_VISIBLE_DEVICES"), "cpu": ""}
    visible = devices[start.device] if start.device in devices else start.device.partition(":")[2] or "0"
    return {
        **kept,
        **({} if visible is None else {"CUDA_VISIBLE_DEVICES": visible}),
        "HOME": str(home.absolute()),
        "HF_HUB_OFFLINE": "1",
        "HF_DATASETS_OFFLINE": "1",
        "TRANSFORMERS_OFFLINE": "1",
        "OMP_NUM_THREADS": str(start.threads),
        "TOKENIZERS_PARALLELISM": "false",
    }


def _failure(start: Start, folder: Path, code: int | None) -> ModelError:
    if code is None:
        found = f"did not end within {start.seconds:g} seconds and was ended"
    elif code < 0:
        found = f"was ended by signal {-code} ({signal.Signals(-code).name})"
    else:
        found = f"ended with exit code {code}: {_last_line(folder / LOG)}"
    return ModelError(
        start.name,
        found=found,
        remedy=f"All that it said is in {folder / LOG}; the same command goes on from there and repeats no finished run.",
    )


def _last_line(log: Path) -> str:
    """The last line that names an exception, or else the last that says something."""
    with log.open("rb") as opened:
        opened.seek(max(0, log.stat().st_size - 20_000))
        lines = [line.strip() for line in opened.read().decode("utf-8", "replace").splitlines() if line.strip()]
    named = [line for line in lines if _EXCEPTION.match(line)]
    return next(reversed(named or lines), "it said nothing")[:300]


def readable_checkpoint(source: Path, target: Path, *, dtype: str, older: bool) -> None:
    """Lay a checkpoint out for a package: the same files by link, with the number format and the length written down.

    Parameters
    ----------
    source, target : Path
        The checkpoint, and the folder that is made.
    dtype : str
        Number format, for a package that has no option for it and reads the configuration.
    older : bool
        Whether transformers 4 must read it: what version 5 writes in a new way is written in the old way too.
    """
    config = _object(source / "config.json")
    target.mkdir()
    for path in source.resolve().iterdir():
        if path.is_file() and path.name not in ("config.json", "tokenizer_config.json"):
            (target / path.name).symlink_to(path)
    rope = config.get("rope_parameters")
    former = {"rope_theta": rope["rope_theta"]} if older and isinstance(rope, dict) and "rope_theta" in rope else {}
    _write(target / "config.json", {**config, **former, "dtype": dtype, "torch_dtype": dtype})
    if (source / "tokenizer_config.json").is_file():
        tokenizer = _object(source / "tokenizer_config.json")
        _write(target / "tokenizer_config.json", _bounded(tokenizer, config.get("max_position_embeddings"), older=older))


def _bounded(tokenizer: dict[str, Json], length: Json, *, older: bool) -> dict[str, Json]:
    """With the class that version 4 knows, and a length that is not astronomic, which HELM refuses."""
    longest = tokenizer.get("model_max_length")
    changes: dict[str, Json] = {}
    if older and tokenizer.get("tokenizer_class") == "TokenizersBackend":
        changes["tokenizer_class"] = "PreTrainedTokenizerFast"
    if not isinstance(longest, int) or longest > _UNBOUNDED:
        changes["model_max_length"] = length
    return {**tokenizer, **changes}


def _object(path: Path) -> dict[str, Json]:
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise ModelError(str(path), found="cannot be read as a checkpoint's configuration", remedy="Check 'path'.") from error
    if not isinstance(content, dict):
        raise ModelError(str(path), found="holds no object", expected="a checkpoint's configuration", remedy="Check 'path'.")
    return content


def _write(path: Path, content: dict[str, Json]) -> None:
    path.write_text(json.dumps(content, indent=2), encoding="utf-8")
