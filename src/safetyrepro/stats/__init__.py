"""Statistics of an envelope: arrays in, frozen named results out, one file a statistic.

Every file is pure: no files, no network, no model, no clock, no state. Models and
configurations are indices here; their names are put back by ``analysis``. What is deterministic
(orders, reversals, witnesses, ranks) and what is inferred (support, intervals) are different files.
"""
