"""What every error must be, and values of JSON that provoke some."""

from __future__ import annotations

from hypothesis import strategies as st

from histotransfer.core.errors import HistotransferError


def assert_clear(error: BaseException, *named: str) -> None:
    """Check that an error is one line that names the thing and says what to do."""
    assert isinstance(error, HistotransferError), repr(error)
    text = str(error)
    assert "\n" not in text
    assert len(text) < 1000
    assert len(error.remedy) > 8
    for word in named:
        assert word in text, text


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner),
    max_leaves=5,
)
