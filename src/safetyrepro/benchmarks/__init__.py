"""Benchmarks: one file each, with the same names inside."""
