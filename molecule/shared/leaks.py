"""Finds a secret in a text, whole or in pieces, plain or encoded. Shares no code with what takes secrets out."""

from __future__ import annotations

import base64
import re
from collections.abc import Iterator

# A piece of this length, or any longer one that is half as long again, is found.
PIECE = 20


def pieces(text: str, length: int = PIECE) -> Iterator[str]:
    for start in range(0, max(1, len(text) - length + 1), length // 2):
        yield text[start : start + length]


def encodings(secret: bytes) -> Iterator[str]:
    """Without breaks of lines."""
    plain = "".join(line for line in secret.decode().splitlines() if not line.startswith("-----"))
    yield plain
    yield secret.hex()
    for shift in range(3):
        # Inside something longer the secret may begin at any of three places.
        whole = base64.b64encode(b"\0" * shift + secret).decode().rstrip("=")
        yield whole[4:-4]
        yield whole[4:-4].replace("+", "-").replace("/", "_")
    for line in secret.splitlines():
        if len(line) > PIECE and not line.startswith(b"-----"):
            yield base64.b64encode(line).decode().rstrip("=")[:-1]


def leaks(secret: bytes, text: str) -> list[str]:
    """Pieces of the secret that are in the text."""
    # However lines are broken, or breaks are written.
    joined = re.sub(r"\\[rn]|\s|%0A", "", text).replace("%2B", "+").replace("%2F", "/")
    return [piece for encoding in encodings(secret) for piece in pieces(encoding) if piece in joined or piece in text]
