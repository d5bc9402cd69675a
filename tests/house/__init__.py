"""Checks of the project itself: budgets, layers, words, documents."""
