"""Labels: the forms in which they come, and those of a task."""
