"""The embedded default: three toy checkpoints, a small suite of items, and the code that makes both."""
