"""Damages files as disks, transfers and attackers do; the same number gives the same damage."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from random import Random
from typing import Final

_NUMBERS: Final = (0, 1, 2, 3, 7, 0x7F, 0x80, 0xFF, 0x7FFF, 0xFFFF, 2**24, 2**31 - 1, 2**31)
_LARGE: Final = (2**32 - 1, 2**40, 2**63 - 1, 2**63, 2**64 - 1)
_TEXTS: Final = (
    b"0", b"-1", b"1e999", b"1.5", b"255", b"4294967296", b"9223372036854775807", b"NaN", b"null",
    b"18446744073709551616", b"9" * 30, b"[", b"{", b"[" * 500, b"{}", b'""', b"true", b"\xff\xfe",
)  # fmt: skip
_NUMBER: Final = re.compile(rb"\d+")
_WORD: Final = re.compile(rb"[A-Za-z_]{2,}")
_HEAD: Final = 256


def damaged(seeds: Sequence[bytes], random: Random) -> bytes:
    """One of these files after one to four changes."""
    content = bytearray(random.choice(seeds))
    for _ in range(random.choice((1, 1, 1, 2, 2, 4))):
        random.choice(_CHANGES)(content, random)
        if random.random() < 0.02:
            _splice(content, random, random.choice(seeds))
    return bytes(content)


def _offset(content: bytearray, random: Random) -> int:
    """An offset: anywhere, in the head, in the tail, or where the file is not empty."""
    if not content:
        return 0
    region = random.randrange(4)
    if region == 0:
        return random.randrange(len(content))
    if region == 1:
        return random.randrange(min(len(content), _HEAD))
    if region == 2:
        return len(content) - 1 - random.randrange(min(len(content), _HEAD))
    offset = random.randrange(len(content))
    for near in range(offset, min(offset + _HEAD, len(content))):
        if content[near]:
            return near
    return offset


def _flip(content: bytearray, random: Random) -> None:
    for _ in range(random.choice((1, 1, 3, 8))):
        if content:
            content[_offset(content, random)] ^= 1 << random.randrange(8)


def _byte(content: bytearray, random: Random) -> None:
    if content:
        content[_offset(content, random)] = random.choice((0, 1, 0x7F, 0x80, 0xFF, 0x20))


def _number(content: bytearray, random: Random) -> None:
    """Put another length, offset or count in the place of one."""
    size = random.choice((2, 4, 8))
    order = random.choice(("little", "big"))
    near = random.choice((len(content), len(content) - 1, len(content) + 1))
    number = random.choice((*_NUMBERS, *_LARGE, near)) % 2 ** (8 * size)
    offset = _offset(content, random)
    offset -= offset % size
    content[offset : offset + size] = number.to_bytes(size, order)


def _cut(content: bytearray, random: Random) -> None:
    del content[_offset(content, random) :]


def _remove(content: bytearray, random: Random) -> None:
    offset = _offset(content, random)
    del content[offset : offset + random.choice((1, 2, 4, 8, 64))]


def _insert(content: bytearray, random: Random) -> None:
    offset = _offset(content, random)
    content[offset:offset] = random.randbytes(random.choice((1, 2, 4, 8, 64)))


def _repeat(content: bytearray, random: Random) -> None:
    offset, size = _offset(content, random), random.choice((4, 16, 64, 256))
    content[offset:offset] = content[offset : offset + size] * random.choice((1, 2, 16))


def _swap(content: bytearray, random: Random) -> None:
    """Exchange two pieces, such as two lengths."""
    size = random.choice((2, 4, 8, 32))
    first, second = _offset(content, random), _offset(content, random)
    first_bytes, second_bytes = content[first : first + size], content[second : second + size]
    if len(first_bytes) == len(second_bytes) == size and abs(first - second) >= size:
        content[first : first + size], content[second : second + size] = second_bytes, first_bytes


def _text_number(content: bytearray, random: Random) -> None:
    _replace(content, random, _NUMBER, random.choice(_TEXTS))


def _text_word(content: bytearray, random: Random) -> None:
    words = _WORD.findall(content)
    if words:
        _replace(content, random, _WORD, random.choice((random.choice(words), *_TEXTS)))


def _replace(content: bytearray, random: Random, pattern: re.Pattern[bytes], by: bytes) -> None:
    matches = list(pattern.finditer(content))
    if matches:
        match = random.choice(matches)
        content[match.start() : match.end()] = by


def _splice(content: bytearray, random: Random, tail: bytes) -> None:
    """Go on with another file."""
    content[_offset(content, random) :] = tail[_offset(bytearray(tail), random) :]


_CHANGES: Final[Sequence[Callable[[bytearray, Random], None]]] = (
    _flip, _flip, _byte, _byte, _number, _number, _number, _cut, _remove, _insert, _repeat, _swap,
    _text_number, _text_word,
)  # fmt: skip
