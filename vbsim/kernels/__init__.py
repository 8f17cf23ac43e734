"""Compiled kernels: NumPy arrays in, arrays out; nothing here knows a unit or raises."""
