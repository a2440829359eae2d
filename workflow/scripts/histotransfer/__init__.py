"""histotransfer: compare feature extractors for histology, from slides to comparison tables."""

__version__ = "0.1.0"
