"""From patch stores to features per patch and per patient."""
