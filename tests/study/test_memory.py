import re

import pytest
from small_study import small_case

from vbsim.checks import InvalidCase
from vbsim.study import build_stages, memory


def test_a_case_that_does_not_fit_is_refused_before_it_is_sampled(monkeypatch):
    monkeypatch.setattr(memory, "available_bytes", lambda: 1_000_000_000)
    with pytest.raises(InvalidCase, match=r"need about .* GB, and 1\.0 GB are free") as caught:
        build_stages(small_case(mesh={"spacing_mm": 0.1}))
    assert caught.value.path == "mesh.spacing_mm"


def test_the_spacing_it_names_would_fit(monkeypatch):
    monkeypatch.setattr(memory, "available_bytes", lambda: 1_000_000_000)
    with pytest.raises(InvalidCase) as caught:
        memory.refuse_too_large(200_000_000, 3, 0.1)
    fitting = float(re.search(r"([\d.]+) would fit", str(caught.value)).group(1))
    memory.refuse_too_large(int(200_000_000 * (0.1 / fitting) ** 3), 3, fitting)


def test_where_nobody_tells_nothing_is_refused(monkeypatch):
    monkeypatch.setattr(memory, "available_bytes", lambda: None)
    memory.refuse_too_large(10**12, 3, 0.1)


def test_this_machine_has_some_memory_or_does_not_tell():
    available = memory.available_bytes()
    assert available is None or available > 0
