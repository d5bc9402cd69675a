"""What every test may ask for, and the rule that a clean run may not skip a model or a browser test."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

import pytest
from hypothesis import settings

ROOT = Path(__file__).resolve().parents[1]
BROWSERS = ("chromium", "chromium-browser", "google-chrome")
NEVER_SKIPPED = ("model", "browser")

# A slow machine must not fail a property: time is measured in bench/, never asserted in a test.
settings.register_profile("project", parent=settings.get_profile(settings.get_current_profile_name()), deadline=None)
settings.load_profile("project")


@pytest.fixture(scope="session")
def shared() -> Path:
    """Folder with the real benchmarks, fixtures and studies; the test is skipped where it is absent."""
    folder = Path(os.environ.get("SAFETYREPRO_SHARED", ROOT.parent / "shared"))
    if not (folder / "studies").is_dir():
        pytest.skip(f"no reference data: neither SAFETYREPRO_SHARED nor {folder.name}/ beside the project holds them")
    return folder


@pytest.fixture(scope="session")
def chromium() -> str:
    """Path of an installed Chromium; the test is skipped where there is none."""
    for name in BROWSERS:
        if found := shutil.which(name):
            return found
    pytest.skip("no Chromium is installed (Debian: apt-get install chromium)")


class NoSilentSkips:
    """Under CI=true a skipped model or browser test, or a module skipped while it was collected, fails the run by name."""

    def __init__(self) -> None:
        self.skipped: list[str] = []

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        """Note a skipped test that carries one of the markers."""
        if report.skipped and not hasattr(report, "wasxfail") and any(name in report.keywords for name in NEVER_SKIPPED):
            self.skipped.append(report.nodeid)

    def pytest_collectreport(self, report: pytest.CollectReport) -> None:
        """Note a module that was skipped whole: nobody knows which tests it hid."""
        if report.skipped:
            self.skipped.append(report.nodeid)

    @pytest.hookimpl(trylast=True)
    def pytest_sessionfinish(self, session: pytest.Session) -> None:
        """Turn a green run red if it skipped what it must not skip."""
        if self.skipped and session.exitstatus in (pytest.ExitCode.OK, pytest.ExitCode.NO_TESTS_COLLECTED):
            session.exitstatus = pytest.ExitCode.TESTS_FAILED

    def pytest_terminal_summary(self, terminalreporter: pytest.TerminalReporter) -> None:
        """Name each of them."""
        for name in sorted(set(self.skipped)):
            terminalreporter.write_line(f"ERROR: skipped although CI=true: {name}", red=True)


def pytest_configure(config: pytest.Config) -> None:
    """Register the rule where CI=true asks for it, in the process that reports."""
    if os.environ.get("CI") == "true" and not hasattr(config, "workerinput"):
        config.pluginmanager.register(NoSilentSkips(), "no-silent-skips")
