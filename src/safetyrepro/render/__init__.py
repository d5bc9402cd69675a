"""Renderings of a card: page, text, drawings."""
