from pathlib import Path

import pytest
from pydantic import Field

from vbsim.checks import InvalidInput, Parameters
from vbsim.study.identity import canonical, digest, input_files, program_sha256


class Inner(Parameters):
    image: Path
    size_mm: float = 1.0


class Outer(Parameters):
    inner: Inner
    series: tuple[Inner, ...] = ()
    threads: int = Field(1, exclude=True)


def test_a_digest_depends_on_the_content_of_a_file_and_not_on_its_place(tmp_path):
    here, there, other = (tmp_path / name for name in ("a.nii", "b.nii", "c.nii"))
    here.write_bytes(b"same")
    there.write_bytes(b"same")
    other.write_bytes(b"different")
    assert digest(Inner(image=here)) == digest(Inner(image=there))
    assert digest(Inner(image=here)) != digest(Inner(image=other))


def test_a_digest_tells_parameters_apart(tmp_path):
    file = tmp_path / "a.nii"
    file.write_bytes(b"")
    assert digest(Inner(image=file)) != digest(Inner(image=file, size_mm=2.0))


def test_excluded_fields_do_not_enter(tmp_path):
    file = tmp_path / "a.nii"
    file.write_bytes(b"")
    one, two = (Outer(inner=Inner(image=file), threads=n) for n in (1, 2))
    assert digest(one) == digest(two)
    assert "threads" not in canonical(one)


def test_the_digest_of_plain_data_never_changes():
    # sha256 of [{"a":[1,2.5],"b":"x"}], worked out once with another tool.
    expected = "4728fe673e6ee1b7"
    assert digest({"b": "x", "a": (1, 2.5)})[:16] == expected


def test_an_unreadable_file_is_named(tmp_path):
    with pytest.raises(InvalidInput, match=r"cannot read .*missing\.nii: No such file"):
        digest(Inner(image=tmp_path / "missing.nii"))


def test_every_input_file_is_found_with_its_place(tmp_path):
    a, b = tmp_path / "a", tmp_path / "b"
    case = Outer(inner=Inner(image=a), series=(Inner(image=a), Inner(image=b)))
    assert list(input_files(case)) == [
        ("inner.image", a),
        ("series[0].image", a),
        ("series[1].image", b),
    ]


def test_the_program_has_a_digest_of_its_sources():
    assert len(program_sha256()) == 64
