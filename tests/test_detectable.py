"""What a number of items would have shown, against the same number worked out on one column or at another level."""

from __future__ import annotations

import numpy as np

from safetyrepro.detectable import provable
from safetyrepro.verdicts import Quantifier


def test_what_is_searched_or_must_hold_together_is_stated_larger():
    shape = (200, 4)
    arrays = (np.repeat(np.arange(200) < 60, 4).reshape(shape).astype(float), np.ones(shape, dtype=np.bool_))
    sizes = {quantifier: provable(arrays, None, quantifier, alpha=0.05, scale=2.0) or 0.0 for quantifier in Quantifier}

    assert sizes[Quantifier.MEAN] < sizes[Quantifier.SOMEWHERE] < sizes[Quantifier.MAJORITY]
    assert sizes[Quantifier.MEAN] < sizes[Quantifier.EVERYWHERE] == sizes[Quantifier.CORE] < sizes[Quantifier.MAJORITY]
    assert sizes[Quantifier.WORST_CASE] < sizes[Quantifier.MAJORITY]
    assert provable((np.zeros(shape), arrays[1]), None, Quantifier.MEAN, alpha=0.05, scale=2.0) is None


def test_one_configuration_on_which_the_models_differ_more_often_sets_what_is_proved_in_all():
    calm, wild = np.arange(200) < 20, np.arange(200) < 120
    columns = {
        name: np.stack(chosen, axis=1).astype(float) for name, chosen in {"calm": [calm] * 2, "one": [calm, wild]}.items()
    }
    sizes = {
        name: provable((found, np.ones((200, 2), dtype=np.bool_)), None, Quantifier.EVERYWHERE, alpha=0.05, scale=1.0) or 0.0
        for name, found in columns.items()
    }
    wildest = provable((columns["one"][:, 1:], np.ones((200, 1), dtype=np.bool_)), None, Quantifier.MEAN, alpha=0.05, scale=1.0)

    assert wildest is not None
    assert sizes["calm"] < wildest < sizes["one"]
