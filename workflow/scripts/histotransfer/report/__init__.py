"""The summary page and the paper's tables."""
