"""The screen as SVG, without the web font that Textual's own export names, and with every run of text in its cell."""

from __future__ import annotations

import html
import re
from typing import TYPE_CHECKING

from rich.cells import cell_len

if TYPE_CHECKING:
    from cvmdbg.tui.app import CvmApp

FONT = "'DejaVu Sans Mono', 'Noto Sans Mono', Menlo, Consolas, monospace"
_FACE = re.compile(r"\s*@font-face\s*\{[^}]*\}", re.DOTALL)
_FAMILY = re.compile(r"font-family:\s*Fira Code[^;]*;")
_TITLE = re.compile(r"font-family:\s*arial\s*;")
_MADE_BY = re.compile(r"\s*<!-- Generated with Rich[^>]*-->")
_TEXT = re.compile(r'(<text [^>]*?)x="([\d.]+)"([^>]*?)textLength="([\d.]+)"([^>]*>)([^<]*)</text>')
_SPACE = "&#160;"


def screen_svg(app: CvmApp) -> str:
    """The whole screen now, as SVG text that asks nothing of the network."""
    return tidy(app.export_screenshot(title="cvmdbg"))


def tidy(svg: str) -> str:
    """No ``@font-face``; a monospaced family of the system; no blanks at the ends of text, which renderers drop."""
    svg = _MADE_BY.sub("", _FACE.sub("", svg))
    svg = _FAMILY.sub(f"font-family: {FONT};", svg)
    svg = _TITLE.sub("font-family: sans-serif;", svg)
    svg = _TEXT.sub(_trimmed, svg)
    return "\n".join(line.rstrip() for line in svg.splitlines() if line.strip()) + "\n"


def _trimmed(found: re.Match[str]) -> str:
    """A text element that begins and ends with ink."""
    head, x, middle, length, tail, text = found.groups()
    cells = cell_len(html.unescape(text))
    if not cells:
        return found[0]
    pitch = float(length) / cells
    kept = text
    before = after = 0
    while kept.startswith(_SPACE):
        kept, before = kept[len(_SPACE) :], before + 1
    while kept.endswith(_SPACE):
        kept, after = kept[: -len(_SPACE)], after + 1
    if not kept:
        return ""
    place, size = _number(float(x) + before * pitch), _number(float(length) - (before + after) * pitch)
    return f'{head}x="{place}"{middle}textLength="{size}"{tail}{kept}</text>'


def _number(value: float) -> str:
    return f"{value:.1f}".removesuffix(".0")
