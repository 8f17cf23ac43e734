"""Fractures: shapes that map an intact specimen to a fractured one."""
