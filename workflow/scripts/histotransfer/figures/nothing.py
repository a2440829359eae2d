"""What a figure raises when its table has nothing to draw."""


class NothingToDraw(Exception):
    """An empty or degenerate result; the message is what the figure says instead."""
