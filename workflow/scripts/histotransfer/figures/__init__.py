"""Figures: one module each, one style."""
