"""Each of a list of likely mistakes, planted into a copy of the source, is caught by the test that is named with it."""

import pytest

from stats.planted import MISTAKES, ROOT, STATS, all_pass, caught, copied_source


@pytest.mark.parametrize("mistake", MISTAKES, ids=lambda mistake: mistake.what)
def test_every_planted_mistake_still_has_its_place_in_the_source_and_its_test(mistake):
    source = (ROOT / STATS / f"{mistake.module}.py").read_text(encoding="utf-8")
    assert source.count(mistake.right) == 1
    file, name = mistake.test.split("::")
    assert f"def {name}(" in (ROOT / "tests" / "stats" / f"test_{file}.py").read_text(encoding="utf-8")


@pytest.mark.long
def test_without_a_mistake_the_named_tests_pass_on_the_copy(tmp_path):
    assert all_pass(sorted({mistake.test for mistake in MISTAKES}), copied_source(tmp_path))


@pytest.mark.long
@pytest.mark.parametrize("mistake", MISTAKES, ids=lambda mistake: mistake.what)
def test_every_planted_mistake_is_caught(mistake, tmp_path):
    assert caught(mistake, copied_source(tmp_path))
