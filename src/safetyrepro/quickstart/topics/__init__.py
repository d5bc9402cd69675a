"""The five topics of the quickstart, one a benchmark: each file writes its suite in the benchmark's own schema and its lessons."""
