#!/usr/bin/env python3
"""Join pictures side by side, with a line between them: side_by_side.py IN IN ... OUT."""

from __future__ import annotations

import sys

from PIL import Image

*sources, target = sys.argv[1:]
pictures = [Image.open(source).convert("RGB") for source in sources]
sheet = Image.new("RGB", (sum(p.width for p in pictures) + 8 * (len(pictures) - 1), max(p.height for p in pictures)))
left = 0
for picture in pictures:
    sheet.paste(picture, (left, 0))
    left += picture.width + 8
sheet.save(target)
