"""Conditions of rows: arithmetic over an instruction's fields, evaluated here, compiled into the C decoder.

The language is the part of Python's expressions that C shares: integers, field names, + - * & | ^ << >> ~,
comparisons, `in (1, 2)`, `and`, `or`, `not` and parentheses.  Fields are unsigned; arithmetic is signed and at
least 32 bits wide.
"""

import ast
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cached_property
from types import CodeType
from typing import cast

_BINARY: dict[type[ast.operator], str] = {
    ast.Add: "+",
    ast.Sub: "-",
    ast.Mult: "*",
    ast.BitAnd: "&",
    ast.BitOr: "|",
    ast.BitXor: "^",
    ast.LShift: "<<",
    ast.RShift: ">>",
}
_UNARY: dict[type[ast.unaryop], str] = {ast.USub: "-", ast.Invert: "~", ast.Not: "!"}
_COMPARE: dict[type[ast.cmpop], str] = {
    ast.Eq: "==",
    ast.NotEq: "!=",
    ast.Lt: "<",
    ast.LtE: "<=",
    ast.Gt: ">",
    ast.GtE: ">=",
}


class ConditionError(ValueError):
    """A condition says something that the language of rows does not have."""


@dataclass(frozen=True)
class Condition:
    """One expression over fields."""

    text: str

    @cached_property
    def tree(self) -> ast.expr:
        try:
            return ast.parse(self.text, mode="eval").body
        except SyntaxError as error:
            raise ConditionError(f"{self.text!r} is no expression") from error

    @cached_property
    def names(self) -> frozenset[str]:
        """The fields that it reads."""
        return frozenset(node.id for node in ast.walk(self.tree) if isinstance(node, ast.Name))

    @cached_property
    def _code(self) -> CodeType:
        self.c_text(lambda name: name)  # refuses whatever is not of the language
        return compile(ast.Expression(self.tree), "<row>", "eval")

    def value(self, fields: Mapping[str, int]) -> int:
        """Its value; a truth value is 0 or 1."""
        return int(cast(int, eval(self._code, {"__builtins__": {}}, dict(fields))))

    def c_text(self, field: Callable[[str], str]) -> str:
        """The same expression in C; field gives the C text of a field."""
        return _c_text(self.tree, field)


def _c_text(node: ast.expr, field: Callable[[str], str]) -> str:
    match node:
        case ast.Constant(value=int(value)):
            return str(value)
        case ast.Name(id=name):
            return field(name)
        case ast.BinOp(left=left, op=op, right=right) if type(op) in _BINARY:
            return f"({_c_text(left, field)} {_BINARY[type(op)]} {_c_text(right, field)})"
        case ast.UnaryOp(op=sign, operand=operand):
            return f"({_UNARY[type(sign)]}{_c_text(operand, field)})"
        case ast.BoolOp(op=junction, values=values):
            word = " && " if isinstance(junction, ast.And) else " || "
            return "(" + word.join(_c_text(value, field) for value in values) + ")"
        case ast.Compare(left=left, ops=ops, comparators=others):
            sides = [left, *others]
            return "(" + " && ".join(map(_c_compare, sides, ops, others, [field] * len(ops))) + ")"
    raise ConditionError(f"{ast.unparse(node)!r} is not of the rows' language")


def _c_compare(left: ast.expr, op: ast.cmpop, right: ast.expr, field: Callable[[str], str]) -> str:
    mine = _c_text(left, field)
    if type(op) in _COMPARE:
        return f"{mine} {_COMPARE[type(op)]} {_c_text(right, field)}"
    if not isinstance(right, ast.Tuple):
        raise ConditionError(f"{ast.unparse(right)!r} must be a list in parentheses")
    among = " || ".join(f"{mine} == {_c_text(value, field)}" for value in right.elts)
    return f"({among})" if isinstance(op, ast.In) else f"!({among})"
