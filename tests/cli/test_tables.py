import io

from rich.console import Console

from vbsim.cli.tables import study_tables
from vbsim.study import Row

STAGES = ("intact", "fractured", "reduced", "augmented", "augmented_2")


def rows(quantity, values, test="none", platen="none"):
    return [
        Row(stage, test, platen, quantity, value, "1")
        for stage, value in zip(STAGES, values, strict=False)
    ]


def printed(table, width=120):
    console = Console(file=io.StringIO(), width=width)
    console.print(table)
    return console.file.getvalue()


def test_no_head_and_no_number_is_cut_on_a_narrow_terminal():
    heights = rows("height_anterior", [25.04, 17.0, 18.5, 18.5, 18.5])
    restored = rows("height_restored_anterior_prescribed", [0.0, 0.0, 20.0, 20.0, 20.0])
    (table,) = study_tables([*heights, *restored])
    text = printed(table, width=90)
    for word in ("intact", "fractured", "reduced", "augmented 2", "25.0", "% of lost"):
        assert word in text


def test_units_of_the_screen_are_those_of_the_line():
    stiffness = rows("stiffness", [12345.6], test="compression", platen="ball_joint")
    (table,) = study_tables(stiffness)
    text = printed(table)
    assert "Compression, platen ball joint" in text
    assert "12.35" in text
    assert "kN/mm" in text


def test_every_test_has_its_own_table():
    first = rows("stiffness", [10e3, 5e3], test="compression", platen="guided")
    second = rows("bending_stiffness", [20e3, 15e3], test="flexion", platen="ball_joint")
    assert len(study_tables([*first, *second])) == 2


def test_nothing_is_shown_where_nothing_was_measured():
    one = rows("height_anterior", [25.0, 20.0])
    two = [Row("fractured", "none", "none", "genant_grade", 2.0, "1")]
    lines = printed(study_tables([*one, *two])[0]).splitlines()
    grade = next(line for line in lines if "Genant" in line)
    assert grade.split() == ["Genant", "grade", "2"]


def test_a_tilt_of_nothing_is_left_out_and_zero_has_no_sign():
    tilt = rows("platen_tilt", [0.0, 0.0], test="compression", platen="guided")
    change = rows("endplate_stress_inferior_change", [-0.01], test="compression", platen="guided")
    text = printed(study_tables([*tilt, *change])[0])
    assert "Tilt" not in text
    assert "-0" not in text
