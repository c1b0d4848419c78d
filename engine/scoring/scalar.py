"""Computes the value of a scalar expression, exactly or to many digits, if it can be parsed.

math-verify's parser reads it; what that parser is known to pass over in silence is caught before,
and what it leaves unread after. Expressions with variables are equal when they agree at points
that no formula knows of, far beyond rounding: no simplification is needed, so none can hang.
"""

from __future__ import annotations

import re
from fractions import Fraction
from functools import lru_cache
from typing import TYPE_CHECKING, Any, Final, NamedTuple
from zlib import crc32

if TYPE_CHECKING:
    import sympy

DIGITS: Final = 50  # of an evaluation
AGREED: Final = 30  # of which so many must agree

_UNDERSTOOD: Final = re.compile(
    r"""(?:[a-zA-Z0-9+/^_{}()\[\]|!.\s-]|\\(?:
    alpha|beta|gamma|delta|(?:var)?epsilon|zeta|eta|(?:var)?theta|iota|kappa|lambda|mu|nu|xi|rho
    |sigma|tau|upsilon|(?:var)?phi|chi|psi|omega|Gamma|Delta|Theta|Lambda|Xi|Pi|Sigma|Phi|Psi|Omega
    |(?:arc)?(?:sin|cos|tan)|cot|sec|csc|sinh|cosh|tanh|log|ln|exp|pi|infty
    |frac|sqrt|binom|cdot|times|div|lfloor|rfloor|lceil|rceil
    )(?![a-zA-Z]))*""",
    re.VERBOSE,
)
_SILENT: Final = re.compile(r"[0-9}]\s*_|!\s?!|[0-9.]\s+[0-9.]|\{\s*\}")  # the parser drops a part
_MIXED: Final = re.compile(
    r"(?<![\w.^_}])([0-9]+)\s*\\frac\{\s*([0-9]+)\s*\}\{\s*([0-9]+)\s*\}"
    r"|(?<![\w.^_}/])([0-9]+)\s+([0-9]+)\s?/\s?([0-9]+)(?![\w.])"
)
_REPEATING: Final = re.compile(
    r"(?<![\w.])([0-9]*)\.([0-9]*)\\(?:overline|bar|dot)\s?\{\s?([0-9]+)\s?\}"
)
_DECIMAL: Final = re.compile(r"(?<![\w.])([0-9]*)\.([0-9]+)(?![0-9.])")
_PRODUCT: Final = re.compile(r"(?<=[0-9)])\s*(?=\()|(?<=\))\s*(?=[0-9])|(?<=[0-9}])\s*(?=\\frac)")


class Value(NamedTuple):
    """A value: the variables' ``names``, values at ``points``, ``exact`` if one is rational."""

    names: frozenset[str]
    points: tuple[Any, ...]
    exact: Fraction | None


@lru_cache(maxsize=2_000)
def value(latex: str) -> Value | None:
    """The value of ``latex``; None if a part of it is not understood."""
    try:
        return _evaluated(_parsed(_prepared(latex)))
    except Exception:  # _NotUnderstood, and whatever the parser and sympy raise on other things
        return None


def same_value(left: Value, right: Value, scale: int = 1) -> bool:
    """Whether ``left`` is ``right`` times ``scale``."""
    if left.exact is not None and right.exact is not None:
        return left.exact == right.exact * scale
    if left.names != right.names:
        return False
    return all(_is_close(a, b * scale) for a, b in zip(left.points, right.points, strict=True))


def proportional(left: Value, right: Value, *, positive: bool) -> bool:
    """Whether one is a constant multiple of the other, and not zero everywhere."""
    if left.names != right.names or not left.names:
        return False
    if any(_is_zero(p) for p in (*left.points, *right.points)):
        return False
    ratios = [a / b for a, b in zip(left.points, right.points, strict=True)]
    known = not positive or (ratios[0].imag == 0 and ratios[0].real > 0)
    return known and all(_is_close(ratio, ratios[0]) for ratio in ratios)


class _NotUnderstood(ValueError):
    """A part of the expression means nothing to the parser."""


def _prepared(latex: str) -> str:
    """LaTeX for the parser: exact decimals, mixed numbers as sums, explicit products."""
    text = _MIXED.sub(_mixed, latex)
    text = _REPEATING.sub(_repeating, text).replace(r"\degree", r"\cdot\frac{\pi}{180}")
    if _SILENT.search(text) or not _UNDERSTOOD.fullmatch(text):
        raise _NotUnderstood
    text = _DECIMAL.sub(lambda m: _fraction(Fraction(f"{m[1] or 0}.{m[2]}")), text)
    return _PRODUCT.sub(r"\\cdot ", text)


def _mixed(match: re.Match[str]) -> str:
    whole, above, below = match.groups()[:3] if match[1] else match.groups()[3:]
    return rf"({whole}+\frac{{{above}}}{{{below}}})"


def _repeating(match: re.Match[str]) -> str:
    whole, fixed, cycle = match.groups()
    nines = int("9" * len(cycle)) * 10 ** len(fixed)
    head = Fraction(f"{whole or 0}.{fixed or 0}")
    return _fraction(head + Fraction(int(cycle), nines))


def _fraction(number: Fraction) -> str:
    return rf"(\frac{{{number.numerator}}}{{{number.denominator}}})"


def _parsed(latex: str) -> sympy.Expr:
    """Parse all of ``latex``, to the last token."""
    from antlr4 import Token
    from latex2sympy2_extended.latex2sympy2 import ConversionConfig, _Latex2Sympy

    config = ConversionConfig(interpret_as_mixed_fractions=False, lowercase_symbols=False)
    reader = _Latex2Sympy(config=config)
    parser = reader.create_parser(latex)
    tree = parser.math()
    if parser.getCurrentToken().type != Token.EOF:
        raise _NotUnderstood
    if relation := tree.set_relation():
        return reader.convert_set_relation(relation)
    return reader.convert_set_elements(tree.set_elements())


def _evaluated(expression: sympy.Expr) -> Value:
    import sympy
    from sympy.core.function import AppliedUndef

    if not isinstance(expression, sympy.Expr):
        raise _NotUnderstood
    unknown = {call: sympy.Symbol(str(call)) for call in expression.atoms(AppliedUndef)}
    expression = expression.xreplace(unknown)
    variables = {s: s.name for s in expression.free_symbols}
    imaginary = {s: sympy.I for s, name in variables.items() if name == "i"}
    names = frozenset(name for name in variables.values() if name != "i")
    if not names:
        done = expression.xreplace(imaginary).doit()
        if done.is_Rational:
            exact = Fraction(int(done.p), int(done.q))
            return Value(names, (_complex(done),), exact)
        if done in {sympy.oo, -sympy.oo}:
            return Value(frozenset({str(done)}), (_mpc(1),), None)
        return Value(names, (_complex(done),), None)
    places = [
        {s: _place(name, number) for s, name in variables.items() if name != "i"} | imaginary
        for number in range(4)
    ]
    return Value(names, tuple(_complex(expression.xreplace(at).doit()) for at in places), None)


def _place(name: str, number: int) -> sympy.Rational:
    """A rational number from 1 to 42 that is the variable's own; negative at odd numbers."""
    import sympy

    share = crc32(f"{name} {number}".encode()) % 9973
    return sympy.Rational((-1) ** number * (243 + share), 243)


def _complex(number: sympy.Expr) -> Any:
    real, imaginary = number.evalf(DIGITS).as_real_imag()
    if not (real.is_Number and imaginary.is_Number):
        raise _NotUnderstood
    return _mpc(*(0 if part._prec < 20 else part for part in (_float(real), _float(imaginary))))


def _float(number: sympy.Expr) -> Any:
    import sympy

    return number if number.is_Float else sympy.Float(number, DIGITS)


def _mpc(real: Any, imaginary: Any = 0) -> Any:
    return _context().mpc(*(_mpf(part) for part in (real, imaginary)))


def _mpf(number: Any) -> Any:
    return _context().mpf(getattr(number, "_mpf_", number))


@lru_cache(maxsize=1)
def _context() -> Any:
    from mpmath import MPContext

    context = MPContext()
    context.dps = DIGITS
    return context


def _is_close(left: Any, right: Any) -> bool:
    if left == right:
        return True
    return bool(abs(left - right) <= _mpf(10) ** -AGREED * max(abs(left), abs(right)))


def _is_zero(point: Any) -> bool:
    return bool(point == 0)
