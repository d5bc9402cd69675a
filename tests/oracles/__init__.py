"""Slow, plain definitions that the fast ones are held against."""
