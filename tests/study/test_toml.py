import tomllib
from datetime import date

import pytest
from hypothesis import given
from hypothesis import strategies as st

from vbsim.checks import InvalidInput
from vbsim.study.toml import inline, to_toml

PLAIN = (
    st.booleans()
    | st.integers(-(2**53), 2**53)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text()
)
NESTED = st.recursive(
    PLAIN,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=12,
)


@given(st.dictionaries(st.text(), NESTED, max_size=5))
def test_what_is_written_reads_back_equal(table):
    assert tomllib.loads(to_toml(table)) == table


def test_none_is_left_out():
    assert to_toml({"a": None, "b": {"c": None, "d": 1}}) == "\n[b]\nd = 1\n"


def test_what_toml_cannot_hold_is_refused():
    with pytest.raises(InvalidInput, match="no place in a TOML file"):
        inline(date(2020, 1, 1))
