"""C expressions as gdb has them: text to tree, by recursive descent. Errors know the column.

expr    = cond [ "=" expr ]             cond  = or [ "?" expr ":" cond ]
binary  = || && | ^ & == != < <= > >= << >> @ + - * / %   with C's precedence ("@" above shifts, as gdb)
unary   = ("-" "+" "!" "~" "*" "&") unary | "sizeof" unary | "(" type ")" unary | postfix
postfix = primary ("[" expr "]" | "." name | "->" name)*
primary = number | 'c' | "text" | $name | name | 'module'::name | CVM:name | CVM:hex | "(" expr ")"
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeAlias

from cvmdbg.target import UserError

MAX_DEPTH = 40


class ExpressionError(UserError):
    """A mistake in an expression; ``column`` counts from 0 in the text that was given."""

    def __init__(self, message: str, text: str, column: int) -> None:
        self.message, self.source, self.column = message, text, min(column, len(text))
        super().__init__(f"{message}\n  {text}\n  {' ' * self.column}^")


@dataclass(frozen=True, slots=True)
class Number:
    """A literal; ``unsigned`` and ``long`` by its suffix or size."""

    value: int
    column: int
    suffix: str = ""


@dataclass(frozen=True, slots=True)
class Float:
    """A floating literal."""

    value: float
    column: int


@dataclass(frozen=True, slots=True)
class Text:
    """A string literal."""

    value: bytes
    column: int


@dataclass(frozen=True, slots=True)
class Dollar:
    """``$x0``, ``$pcc``, ``$_``, ``$4``: name without the dollar."""

    name: str
    column: int


@dataclass(frozen=True, slots=True)
class Name:
    """A symbol; ``where`` is a module or compartment, empty for any."""

    name: str
    where: str
    column: int


@dataclass(frozen=True, slots=True)
class Relative:
    """``17:4400f4604``: an address as code in a compartment means it."""

    where: str
    address: int
    column: int


@dataclass(frozen=True, slots=True)
class Unary:
    """An operator before its operand; ``sizeof`` too."""

    operator: str
    operand: Node
    column: int


@dataclass(frozen=True, slots=True)
class Binary:
    """An operator between two operands; ``=`` too."""

    operator: str
    left: Node
    right: Node
    column: int


@dataclass(frozen=True, slots=True)
class Choice:
    """``condition ? yes : no``."""

    condition: Node
    yes: Node
    no: Node
    column: int


@dataclass(frozen=True, slots=True)
class MemberOf:
    """``.name`` or, with ``arrow``, ``->name``."""

    operand: Node
    name: str
    arrow: bool
    column: int


@dataclass(frozen=True, slots=True)
class TypeName:
    """A type in a cast: words (``struct point``, ``unsigned long``), stars, array bounds outermost first."""

    words: tuple[str, ...]
    stars: int
    column: int
    bounds: tuple[int, ...] = ()


@dataclass(frozen=True, slots=True)
class Cast:
    """``(type) operand``; without operand the type itself (sizeof, ptype)."""

    type: TypeName
    operand: Node | None
    column: int


Node: TypeAlias = Number | Float | Text | Dollar | Name | Relative | Unary | Binary | Choice | MemberOf | Cast

_TOKEN = re.compile(
    r"""\s*(?:
      (?P<place>(?:\d+|[A-Za-z_][\w.\-]*):(?!:)(?:0[xX][0-9a-fA-F]+\b|[A-Za-z_]\w*|[0-9a-fA-F]+\b))
    | (?P<float>\d+\.\d+(?:[eE][+-]?\d+)?)
    | (?P<number>0[xX][0-9a-fA-F]+[uUlL]*|0[bB][01]+|\d[0-9a-zA-Z]*)
    | (?P<scoped>'(?:[^'\\]|\\.)*'\s*::\s*[A-Za-z_]\w*)
    | (?P<char>'(?:[^'\\]|\\[0-7]{1,3}|\\x[0-9a-fA-F]+|\\.)')
    | (?P<text>"(?:[^"\\]|\\.)*")
    | (?P<dollar>\$[A-Za-z_]\w*|\$\$\d*|\$\d*)
    | (?P<name>[A-Za-z_][\w]*)
    | (?P<op>->|<<|>>|<=|>=|==|!=|&&|\|\||[-+*/%&|^~!<>=?:.,()\[\]@])
    )""",
    re.X | re.A,
)
_ESCAPES = {"n": 10, "t": 9, "r": 13, "0": 0, "a": 7, "b": 8, "f": 12, "v": 11, "e": 27}


@dataclass(frozen=True, slots=True)
class Token:
    """A word of an expression."""

    kind: str
    text: str
    column: int


def tokens(text: str) -> list[Token]:
    """The words of a text; ExpressionError where none begins."""
    found: list[Token] = []
    at = choices = 0
    while text[at:].strip():
        match = _TOKEN.match(text, at)
        if match is None:
            column = at + len(text[at:]) - len(text[at:].lstrip())
            raise ExpressionError(f"this is no part of an expression: {text[column : column + 10]}", text, column)
        kind = match.lastgroup or ""
        token = Token(kind, match.group(kind), match.start(kind))
        if kind == "place" and choices:  # in a ? b : c the colon separates
            token = _before_colon(token)
        choices += {"?": 1, ":": -1}.get(token.text, 0)
        found.append(token)
        at = token.column + len(token.text)
    return found


def _before_colon(token: Token) -> Token:
    """``2`` of ``2:3``, ``n`` of ``n:m``."""
    text = token.text.partition(":")[0]
    return Token("number" if text.isdigit() else "name", text, token.column)


_LEVELS: tuple[tuple[str, ...], ...] = (
    ("||",),
    ("&&",),
    ("|",),
    ("^",),
    ("&",),
    ("==", "!="),
    ("<", "<=", ">", ">="),
    ("<<", ">>"),
    ("@",),
    ("+", "-"),
    ("*", "/", "%"),
)


def parse(text: str, is_type: Callable[[str], bool]) -> Node:
    """The tree of an expression. ``is_type`` knows typedef names, which C needs to tell casts from brackets."""
    parser = _Parser(text, is_type)
    if not parser.tokens:
        raise ExpressionError("an expression is missing", text, len(text))
    node = parser.expression()
    parser.end()
    return node


class _Parser:
    """One pass over the tokens of an expression."""

    def __init__(self, text: str, is_type: Callable[[str], bool]) -> None:
        self.text, self.is_type = text, is_type
        self.tokens = tokens(text)
        self.at = 0
        self.depth = 0

    # ---- tokens ----

    def peek(self, offset: int = 0) -> Token:
        """The token here, or one of kind ``end``."""
        index = self.at + offset
        return self.tokens[index] if index < len(self.tokens) else Token("end", "", len(self.text))

    def take(self) -> Token:
        """The token here, and go on."""
        token = self.peek()
        self.at += 1
        return token

    def accept(self, *operators: str) -> Token | None:
        """Take one of these operators if it stands here."""
        token = self.peek()
        if token.kind == "op" and token.text in operators:
            return self.take()
        return None

    def expect(self, operator: str) -> None:
        """Take an operator that must stand here."""
        if self.accept(operator) is None:
            raise self.error(f"{operator!r} is missing")

    def error(self, message: str) -> ExpressionError:
        """A mistake at the token here."""
        return ExpressionError(message, self.text, self.peek().column)

    def end(self) -> None:
        """Nothing may follow."""
        if self.peek().kind != "end":
            raise self.error(f"{self.peek().text!r} is not expected here")

    # ---- levels ----

    def expression(self) -> Node:
        """An assignment or less."""
        left = self.choice()
        token = self.accept("=")
        return Binary("=", left, self.expression(), token.column) if token is not None else left

    def choice(self) -> Node:
        """``? :`` or less."""
        condition = self.binary(0)
        token = self.accept("?")
        if token is None:
            return condition
        yes = self.expression()
        self.expect(":")
        return Choice(condition, yes, self.choice(), token.column)

    def binary(self, level: int) -> Node:
        """Left-associative operators from a level on."""
        if level == len(_LEVELS):
            return self.unary()
        node = self.binary(level + 1)
        while (token := self.accept(*_LEVELS[level])) is not None:
            node = Binary(token.text, node, self.binary(level + 1), token.column)
        return node

    def unary(self) -> Node:
        """Prefix operators, casts, sizeof."""
        self.depth += 1
        if self.depth > MAX_DEPTH:
            raise self.error("nested too deeply")
        try:
            return self._unary()
        finally:
            self.depth -= 1

    def _unary(self) -> Node:
        token = self.accept("-", "+", "!", "~", "*", "&")
        if token is not None:
            return Unary(token.text, self.unary(), token.column)
        if self.peek().text == "sizeof" and self.peek().kind == "name":
            return Unary("sizeof", self.unary_or_type(), self.peek(-1).column)
        if self.peek().text == "(" and self.type_follows(1):
            opening = self.take()
            ctype = self.type_name()
            self.expect(")")
            if self.peek().kind == "end" or (self.peek().kind == "op" and self.peek().text in ")]:,?"):
                return Cast(ctype, None, opening.column)
            return Cast(ctype, self.unary(), opening.column)
        return self.postfix(self.primary())

    def unary_or_type(self) -> Node:
        """What sizeof takes."""
        self.take()
        if self.type_follows(0):
            return Cast(self.type_name(), None, self.peek(-1).column)
        return self.unary()

    def postfix(self, node: Node) -> Node:
        """Indices and members."""
        while (token := self.accept("[", ".", "->")) is not None:
            if token.text == "[":
                index = self.expression()
                self.expect("]")
                node = Unary("*", Binary("+", node, index, token.column), token.column)
                continue
            name = self.take()
            if name.kind not in ("name", "number"):
                raise ExpressionError("a member's name is missing", self.text, name.column)
            node = MemberOf(node, name.text, token.text == "->", token.column)
        return node

    def primary(self) -> Node:
        """Literals, names, brackets."""
        if self.accept("("):
            inner = self.expression()
            self.expect(")")
            return inner
        token = self.take()
        make = getattr(self, f"_{token.kind}", None)
        if token.kind in ("op", "end") or make is None:
            what = "an operand is missing" if token.kind == "end" else f"{token.text!r} is not expected here"
            raise ExpressionError(what, self.text, token.column)
        node: Node = make(token)
        return node

    # ---- primaries by token ----

    def _number(self, token: Token) -> Node:
        digits = token.text.rstrip("uUlL") if token.text[:2].lower() != "0b" else token.text
        suffix = token.text[len(digits) :].lower()
        try:
            octal = len(digits) > 1 and digits[0] == "0" and digits.isdigit()
            value = int(digits, 8) if octal else int(digits, 0)
        except ValueError:
            hint = f"; hex needs 0x: 0x{digits}" if re.fullmatch("[0-9a-fA-F]+", digits) else ""
            raise ExpressionError(f"{token.text} is no number{hint}", self.text, token.column) from None
        if value >> 64:
            raise ExpressionError(f"{token.text} has more than 64 bits", self.text, token.column)
        return Number(value, token.column, suffix)

    def _float(self, token: Token) -> Node:
        return Float(float(token.text), token.column)

    def _char(self, token: Token) -> Node:
        return Number(unescape(token.text[1:-1])[0], token.column, "c")

    def _text(self, token: Token) -> Node:
        return Text(unescape(token.text[1:-1]), token.column)

    def _dollar(self, token: Token) -> Node:
        return Dollar(token.text[1:], token.column)

    def _name(self, token: Token) -> Node:
        return Name(token.text, "", token.column)

    def _scoped(self, token: Token) -> Node:
        where, _, name = token.text.rpartition("::")
        return Name(name.strip(), where.strip().strip("'"), token.column)

    def _place(self, token: Token) -> Node:
        where, _, name = token.text.partition(":")
        if where.isdigit() and re.fullmatch("(?:0[xX])?[0-9a-fA-F]{1,16}", name):
            return Relative(where, int(name, 16), token.column)
        return Name(name, where, token.column)

    # ---- types ----

    def type_follows(self, offset: int) -> bool:
        """Does a type name stand ``offset`` tokens ahead?"""
        token = self.peek(offset)
        if token.kind == "op" and token.text == "(" and offset == 0:
            return self.type_follows(1)
        return token.kind == "name" and (token.text in _TYPE_WORDS or self.is_type(token.text))

    def type_name(self) -> TypeName:
        """Words, stars, bounds; brackets around it are the caller's, except after sizeof."""
        bracket = self.accept("(")
        column = self.peek().column
        words: list[str] = []
        while self.peek().kind == "name":
            words.append(self.take().text)
        stars = 0
        while self.accept("*"):
            stars += 1
            while self.peek().text in ("const", "volatile", "restrict"):
                self.take()
        bounds = []
        while self.accept("["):
            token = self.take()
            bounds.append(int(token.text, 0) if token.kind == "number" and token.text[:1].isdigit() else 0)
            self.expect("]")
        if bracket is not None:
            self.expect(")")
        kept = tuple(w for w in words if w not in ("const", "volatile", "restrict", "static"))
        return TypeName(kept, stars, column, tuple(bounds))


_BASIC = {"void", "char", "short", "int", "long", "signed", "unsigned", "float", "double", "_Bool", "bool"}
_WORDS = {"struct", "union", "enum", "const", "volatile", "capability", "size_t", "ssize_t", "uintptr_t"}
_SIZED = {f"{sign}int{bits}_t" for sign in ("", "u") for bits in (8, 16, 32, 64)}
_TYPE_WORDS = frozenset(_BASIC | _WORDS | _SIZED)


def parse_type(text: str, is_type: Callable[[str], bool]) -> TypeName | None:
    """The whole text as a type name, or None when it is none."""
    parser = _Parser(text, is_type)
    if not parser.type_follows(0):
        return None
    found = parser.type_name()
    return found if parser.peek().kind == "end" else None


def unescape(text: str) -> bytes:
    """The bytes of a C literal's inside."""
    out = bytearray()
    at = 0
    while at < len(text):
        if text[at] != "\\" or at + 1 == len(text):
            out += text[at].encode()
            at += 1
            continue
        match = re.match(r"x([0-9a-fA-F]{1,2})|([0-7]{1,3})", text[at + 1 :])
        if match is not None:
            out.append(int(match[1], 16) if match[1] else int(match[2], 8) & 255)
            at += 1 + match.end()
            continue
        out.append(_ESCAPES.get(text[at + 1], ord(text[at + 1]) & 255))
        at += 2
    return bytes(out) or b"\0"
