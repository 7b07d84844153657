"""What all pages have: no access to anything outside the file, colours for light and dark, plain elements.

A page is a fragment (style, content, script), in which ``{{name}}`` stands for a part that is passed. Only the scripts
of the fragment run: the policy has their hashes. So text that became markup by mistake could still run nothing.
"""

from __future__ import annotations

import base64
import hashlib
import html
import json
import re
from pathlib import Path
from typing import Any

_FOLDER = Path(__file__).parent
_SCRIPT = re.compile(r"<script>(.*?)</script>", re.DOTALL)
_PLACE = re.compile(r"\{\{(\w+)\}\}")


def render_page(title: str, fragment: str, **parts: str) -> str:
    """Render a page of a fragment; ``parts`` are markup, or JSON of `embed_json`, and are not searched for places."""
    title = "".join(each for each in title if each.isprintable())
    hashes = "".join(f" 'sha256-{_hash(script)}'" for script in _SCRIPT.findall(fragment))
    outer = {
        "scripts": f"script-src{hashes}" if hashes else "script-src 'none'",
        "title": html.escape(title),
        "theme": read_theme(),
        "fragment": _fill(fragment, parts),
    }
    return _fill(read_fragment(_FOLDER / "skeleton.html"), outer)


def read_fragment(path: Path) -> str:
    """Return the text of a file that is installed with the package."""
    return path.read_text(encoding="utf-8")


def read_theme() -> str:
    """Return the style that every page has: colours for light and dark, buttons, what has the focus."""
    return read_fragment(_FOLDER / "theme.css")


def read_document_style() -> str:
    """Return the style of pages that are read from top to bottom: headings, cards, tables, histograms."""
    return read_fragment(_FOLDER / "document.css")


def encode_picture(data: bytes, kind: str = "png") -> str:
    """Return the bytes of a PNG, or of a picture of another kind, as its address within a page."""
    return f"data:image/{kind};base64,{base64.b64encode(data).decode()}"


def embed_json(document: Any) -> str:
    """Return JSON that cannot end the script element that it stands in."""
    return json.dumps(document, ensure_ascii=True, separators=(",", ":")).replace("<", "\\u003c")


def _fill(template: str, parts: dict[str, str]) -> str:
    return _PLACE.sub(lambda place: parts[place[1]], template)


def _hash(script: str) -> str:
    return base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()
