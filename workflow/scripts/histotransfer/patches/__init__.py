"""From tiles and folders to patch stores, and what is measured on each patch."""
