"""Slides: opening them, their resolution, their tissue and their tiles."""
