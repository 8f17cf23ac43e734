"""Validation: what the models say beside what was published, bands fixed before the result."""

from vbsim.study.validation.bench import Bench
from vbsim.study.validation.run import Verdict, to_json, to_markdown, validate
from vbsim.study.validation.table import Entry, Row, Setup, entries

__all__ = [
    "validate",
    "to_json",
    "to_markdown",
    "Verdict",
    "Bench",
    "Entry",
    "Row",
    "Setup",
    "entries",
]
