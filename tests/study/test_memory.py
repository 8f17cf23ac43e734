import re

import pytest
from small_study import small_case

from vbsim.anatomy import Vertebra
from vbsim.checks import InvalidCase
from vbsim.specimen import Potting
from vbsim.study import build_stages, memory, read_case
from vbsim.study.hexa import Hexa


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


HEXA = {
    "name": "too large",
    "vertebra": {"level": "L1"},
    "mesh": {"kind": "hexa", "size_mm": 0.6, "sampling_mm": 2.0},
    "tests": [{"kind": "compression"}],
}


@pytest.mark.parametrize(
    "asked",
    [
        {"tests": [{"kind": "strength"}]},
        {"steps": [{"kind": "collapse"}]},
    ],
)
def test_laws_on_hexahedra_that_do_not_fit_are_refused_before_any_solve(monkeypatch, asked):
    monkeypatch.setattr(memory, "available_bytes", lambda: 1_500_000_000)
    vertebra, mesh = Vertebra(level="L1"), Hexa(size_mm=0.6)
    layout = mesh.fitter(vertebra, vertebra.anatomy.frame, Potting()).layout
    memory.refuse_mesh_too_large(layout, 0.6, has_laws=False)  # a linear solve fits
    with pytest.raises(InvalidCase, match=r"strength tests or mechanics on .* cells") as caught:
        build_stages(read_case(HEXA | asked))
    assert caught.value.path == "mesh.size_mm"
    fitting = float(re.search(r"([\d.]+) would fit", str(caught.value)).group(1))
    assert 0.6 < fitting < 1.2
