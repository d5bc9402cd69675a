"""What every test may ask for."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]


@pytest.fixture(scope="session")
def shared() -> Path:
    """Folder with the real benchmarks, fixtures and studies; the test is skipped where it is absent."""
    folder = Path(os.environ.get("SAFETYREPRO_SHARED", ROOT.parent / "shared"))
    if not (folder / "studies").is_dir():
        pytest.skip(f"no reference data: neither SAFETYREPRO_SHARED nor {folder.name}/ beside the project holds them")
    return folder
