"""Damage to bytes and to text, drawn from a `random.Random`: the same draw gives the same damage."""

from __future__ import annotations

import re
from collections.abc import Callable
from random import Random

NUMBERS = [0, 1, -1, 2, 3, 7, 8, 127, 128, 255, 256, 32767, 65535, 65536, 2**31 - 1, 2**31, 2**32 - 1, 2**32, 2**53]
NUMBERS += [2**63 - 1, 2**63, -(2**31), -(2**63), 10**30]
"""Whole numbers at which counters, lengths and offsets overflow."""

_SPELLINGS = ["00", "010", "0x10", "-0", "-1", "1e9999", "1e-9999", "-1e999", "4294967296", "9" * 20, "1" * 5000]
_SPELLINGS += ["\u0663", "1f", "1.f", ".5", "1.", "1e", "0b1", "1_000", "inf", "-inf", "nan", "-nan", "infinity", "+1"]
_SPELLINGS += ["0.5", "2147483648", "1e3", "0x", "08", "1.5e+3", "- 1", "'1'", "true", "t", "T"]
_SPECIAL = ["{", "}", "<", ">", "[", "]", ":", ";", ",", '"', "'", "#", "\\", "\n", "\0", "-", ".", "/", "\ufeff"]
_SPECIAL += ["\x1b[31m", "\u0663", "\u00e9", '"a" "b"', "\\x", "\\777", "\\u12", "#\n", "unknown: 1", "unknown { }"]
_TOKEN = re.compile(r"[A-Za-z_]\w*|[-+.\w]+|\"[^\"\n]*\"|'[^'\n]*'|[^\s\w]")
_NUMBER = re.compile(r"(?<![\w.])-?\d[\w.+-]*")


def damaged(random: Random, data: bytes) -> bytes:
    """The bytes with one thing wrong."""
    return random.choice(_BYTES)(random, data) if data else random.randbytes(random.randint(0, 9))


def damaged_text(random: Random, text: str) -> str:
    """The text with one token, line or character changed, lost, doubled or moved."""
    return random.choice(_TEXT)(random, text) if text else random.choice(_SPECIAL)


def damaged_lines(random: Random, data: bytes) -> bytes:
    """The same for the bytes of a text in UTF-8."""
    return damaged_text(random, data.decode()).encode("utf-8", "surrogatepass")


def number_near(random: Random, value: int) -> int:
    """Another number: one nearby, a multiple, or an extreme one."""
    near = [value + 1, value - 1, 2 * value, value // 2, random.randint(0, 9)]
    return random.choice(near if random.random() < 0.6 else NUMBERS)


def _span(random: Random, size: int) -> tuple[int, int]:
    begin = random.randrange(size)
    return begin, min(size, begin + random.choice([1, 1, 2, 4, 8, 16, 64, 256]))


def _flip(random: Random, data: bytes) -> bytes:
    place = random.randrange(len(data))
    return data[:place] + bytes([data[place] ^ 1 << random.randrange(8)]) + data[place + 1 :]


def _set(random: Random, data: bytes) -> bytes:
    place = random.randrange(len(data))
    return data[:place] + bytes([random.choice([0, 1, 127, 128, 255, random.randrange(256)])]) + data[place + 1 :]


def _cut(random: Random, data: bytes) -> bytes:
    return data[: random.randrange(len(data))]


def _insert(random: Random, data: bytes) -> bytes:
    place = random.randint(0, len(data))
    run = random.choice([b"\0", b"\xff", b"A", b"[", random.randbytes(1)]) * random.choice([1, 2, 4, 16, 300])
    return data[:place] + run + data[place:]


def _drop(random: Random, data: bytes) -> bytes:
    begin, end = _span(random, len(data))
    return data[:begin] + data[end:]


def _double(random: Random, data: bytes) -> bytes:
    begin, end = _span(random, len(data))
    return data[:end] + data[begin:]


def _copy(random: Random, data: bytes) -> bytes:
    begin, end = _span(random, len(data))
    place = random.randint(0, len(data))
    return data[:place] + data[begin:end] + data[place + end - begin :]


def _integer(random: Random, data: bytes) -> bytes:
    """Overwrite some bytes by a number that is extreme or near to the one that stands there."""
    size = random.choice([1, 2, 4, 8])
    order = random.choice(["little", "big"])
    place = random.randrange(len(data))
    value = number_near(random, int.from_bytes(data[place : place + size], order)) % (1 << 8 * size)
    return data[:place] + value.to_bytes(size, order) + data[place + size :]


_BYTES: list[Callable[[Random, bytes], bytes]] = [_flip, _flip, _set, _cut, _insert, _drop, _double, _copy, _integer]


def _replace_number(random: Random, text: str) -> str:
    found = list(_NUMBER.finditer(text))
    if not found:
        return _insert_special(random, text)
    match = random.choice(found)
    return text[: match.start()] + random.choice(_SPELLINGS) + text[match.end() :]


def _near_number(random: Random, text: str) -> str:
    found = [match for match in _NUMBER.finditer(text) if match.group().isdecimal()]
    if not found:
        return _replace_number(random, text)
    match = random.choice(found)
    return text[: match.start()] + str(number_near(random, int(match.group()))) + text[match.end() :]


def _change_token(random: Random, text: str) -> str:
    tokens = list(_TOKEN.finditer(text))
    if not tokens:
        return _insert_special(random, text)
    one, other = random.choice(tokens), random.choice(tokens)
    new = random.choice([other.group(), other.group(), "", one.group() * 2, f"{one.group()} {one.group()}"])
    return text[: one.start()] + new + text[one.end() :]


def _lines(random: Random, text: str) -> str:
    lines = text.splitlines(keepends=True)
    one, other = random.randrange(len(lines)), random.randrange(len(lines))
    change = random.randrange(4)
    if change == 0:
        del lines[one]
    elif change == 1:
        lines.insert(other, lines[one])
    elif change == 2:
        lines[one], lines[other] = lines[other], lines[one]
    else:
        lines[one] = f"# {lines[one]}"
    return "".join(lines)


def _insert_special(random: Random, text: str) -> str:
    place = random.randint(0, len(text))
    return text[:place] + random.choice(_SPECIAL) + text[place:]


def _drop_character(random: Random, text: str) -> str:
    place = random.randrange(len(text))
    return text[:place] + text[place + 1 :]


_TEXT: list[Callable[[Random, str], str]] = [_replace_number, _near_number, _change_token, _lines, _insert_special]
_TEXT += [_drop_character, _change_token, _near_number]
