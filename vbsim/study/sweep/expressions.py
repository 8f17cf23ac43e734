"""Conditions on columns: ``volume_ml <= 6 and distribution != 'central'``, and nothing else.

The text is parsed, never executed: numbers, strings, column names, comparisons, ``and or not in``,
arithmetic and ``abs min max log``.
"""

from __future__ import annotations

import ast
import operator
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

from vbsim.checks import InvalidInput
from vbsim.study.faults import nearest

__all__ = ["evaluate", "names_in"]

_BINARY: dict[type[ast.operator], Callable[[Any, Any], Any]] = {
    ast.Add: operator.add,
    ast.Sub: operator.sub,
    ast.Mult: operator.mul,
    ast.Div: operator.truediv,
    ast.Pow: operator.pow,
    ast.Mod: operator.mod,
}
_COMPARE: dict[type[ast.cmpop], Callable[[Any, Any], Any]] = {
    ast.Eq: operator.eq,
    ast.NotEq: operator.ne,
    ast.Lt: operator.lt,
    ast.LtE: operator.le,
    ast.Gt: operator.gt,
    ast.GtE: operator.ge,
    ast.In: lambda a, b: np.isin(a, b),
    ast.NotIn: lambda a, b: ~np.isin(a, b),
}
_CALLS: dict[str, Callable[..., Any]] = {
    "abs": np.abs,
    "min": np.minimum,
    "max": np.maximum,
    "log": np.log,
}


def evaluate(text: str, columns: Mapping[str, Any]) -> Any:
    """Return the value of a condition for columns given as numbers, strings or arrays.

    Parameters
    ----------
    text : str
        The condition, in Python's notation.
    columns : mapping
        Values by name; arrays of one length give an array.

    Raises
    ------
    InvalidInput
        If the text is no such condition or names a column that is not there.

    Examples
    --------
    >>> bool(evaluate("grade >= 2 and 2 < volume_ml < 6", {"grade": 2, "volume_ml": 4.0}))
    True
    >>> evaluate("stage in ['intact']", {"stage": np.array(["intact", "fractured"])})
    array([ True, False])
    """
    try:
        return _value(_parsed(text), columns)
    except (TypeError, ZeroDivisionError) as error:
        raise InvalidInput(f"{text!r} cannot be computed: {error}") from None


def names_in(text: str) -> set[str]:
    """Return the columns that a condition names."""
    called = {id(n.func) for n in ast.walk(_parsed(text)) if isinstance(n, ast.Call)}
    found = (n for n in ast.walk(_parsed(text)) if isinstance(n, ast.Name))
    return {node.id for node in found if id(node) not in called}


def _parsed(text: str) -> ast.expr:
    try:
        return ast.parse(text.strip(), mode="eval").body
    except (SyntaxError, ValueError) as error:
        reason = error.msg if isinstance(error, SyntaxError) else error
        raise InvalidInput(f"{text!r} is no condition: {reason}") from None


def _value(node: ast.expr, columns: Mapping[str, Any]) -> Any:
    match node:
        case ast.Constant(value=bool() | int() | float() | str()):
            return node.value
        case ast.Name():
            return _column(node.id, columns)
        case ast.List() | ast.Tuple():
            return [_value(item, columns) for item in node.elts]
        case ast.BoolOp():
            combine = np.logical_and if isinstance(node.op, ast.And) else np.logical_or
            found = [_value(item, columns) for item in node.values]
            result = found[0]
            for item in found[1:]:
                result = combine(result, item)
            return result
        case ast.UnaryOp(op=ast.Not()):
            return np.logical_not(_value(node.operand, columns))
        case ast.UnaryOp(op=ast.USub()):
            return -_value(node.operand, columns)
        case ast.BinOp() if type(node.op) in _BINARY:
            return _BINARY[type(node.op)](_value(node.left, columns), _value(node.right, columns))
        case ast.Compare():
            return _compared(node, columns)
        case ast.Call(func=ast.Name(id=name), keywords=[]) if name in _CALLS:
            return _CALLS[name](*(_value(item, columns) for item in node.args))
    raise InvalidInput(
        f"{ast.unparse(node)!r} has no place in a condition; allowed are columns, numbers, "
        f"strings, comparisons, and, or, not, in, arithmetic and {', '.join(_CALLS)}"
    )


def _compared(node: ast.Compare, columns: Mapping[str, Any]) -> Any:
    """Return a chain such as ``2 < a <= 4``."""
    left = _value(node.left, columns)
    result: Any = True
    for kind, item in zip(node.ops, node.comparators, strict=True):
        if type(kind) not in _COMPARE:
            raise InvalidInput(f"{ast.unparse(node)!r}: compare with == != < <= > >= in")
        right = _value(item, columns)
        found = _COMPARE[type(kind)](left, right)
        result = found if result is True else np.logical_and(result, found)
        left = right
    return result


def _column(name: str, columns: Mapping[str, Any]) -> Any:
    if name in columns:
        return columns[name]
    near = nearest(name, columns)
    hint = f"did you mean {near}?" if near else f"columns are {', '.join(columns)}"
    raise InvalidInput(f"{name!r} is no column; {hint}")
