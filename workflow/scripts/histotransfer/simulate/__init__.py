"""The demo's simulated cohort, painted from a known truth."""
