"""Splits, predictors, cross-validation, scores, statistics, comparison."""
