"""Pure functions on arrays: optical density, resampling, codecs, stain."""
