"""Predictors: one estimator a module, each with fit and predict, many targets at once."""
