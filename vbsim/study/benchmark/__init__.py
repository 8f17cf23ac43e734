"""Benchmarks of the solver: bodies made up to any size, and the record of one solve."""

from vbsim.study.benchmark.bodies import STRUCTURES, check, generate
from vbsim.study.benchmark.measure import clamped_compression, measure
from vbsim.study.benchmark.record import Record, Surroundings, read_records, restored, write_records

__all__ = [
    "STRUCTURES",
    "Record",
    "Surroundings",
    "check",
    "clamped_compression",
    "generate",
    "measure",
    "read_records",
    "restored",
    "write_records",
]
