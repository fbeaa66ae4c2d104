# Copyright (c) 2026, mesh.expansion contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Takes secrets out of what a host says of itself: by what they look like, and by what is known to be one here. Pure.

In doubt something goes that was no secret; what stays is read by strangers. Private to the collection.
"""

from __future__ import annotations

import base64
import re
import typing as t
from urllib.parse import quote

Json = t.Any
# Without a space: a mark is one word, and is not taken for a value again.
MARK = "[removed:"
# Shorter ones are words.
_LEAST = 12

# What a name of something secret holds; and how names end that only say where it is, or until when it is good.
_NAME = (
    r"passw(?:or)?d|passphrase|secret|token|credential|private_?key|api_?key|access_?key|key_?data|certificate_?data"
    r"|auth_?pass|psk|cookie|authorization"
)
_HARMLESS = (
    r"(?:paths?|files?|filename|dir|directory|names?|ttl|mode|type|types|audience|mounts?|lifetime|seconds|expir\w*"
    r"|timestamp|ref|refs|urls?|uri|count|version|status|accounts?|refresh\w*|enabled|supported|policy)"
)
_SENSITIVE = re.compile(_NAME, re.IGNORECASE)
_TELLS_ONLY = re.compile(rf"{_HARMLESS}$", re.IGNORECASE)

_BASE64 = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/="
# Between BEGIN and END there may be anything, such as what a log writes before each line; without END, what can belong
# to it. JSON and YAML in quotes have backslash and n for an end of line.
_PEM = re.compile(
    r"-----BEGIN ([A-Z0-9 ]*)-----(?:(?:(?!-----BEGIN )[\s\S]){0,20000}?-----END [A-Z0-9 ]*-----"
    r"|(?:[A-Za-z0-9+/=]|\s|\\[rn])*)"
)
_PEM_END = re.compile(r"-----END ([A-Z0-9 ]*)-----")
_JWT = re.compile(r"eyJ[A-Za-z0-9_-]{10,}(?:\.[A-Za-z0-9_-]*){0,4}")
_IN_URL = re.compile(r"(\b[A-Za-z][A-Za-z0-9+.-]{0,20}://)[^\s/@'\"]+@")
_USER_OPTION = re.compile(r"(\s(?:-u|--user)[= ])[^\s:]+:\S+")
_BEARER = re.compile(r"\b(bearer\s+)(?=[^\s\"',;]*[0-9._~+/=-]|[^\s\"',;]{20})[^\s\"',;]+", re.IGNORECASE)
_HEADER = re.compile(
    r"\b((?:proxy-)?authorization|(?:set-)?cookie|x-[\w-]{0,40}(?:token|key|secret))(\s*[:=]\s*)[^\n\"]+", re.IGNORECASE
)
_WORDS = _NAME.replace("_?", "[_-]?")
# Longer ones would take too long to be looked through.
_PART = r"[\w.-]{0,80}"
_NAMED = rf"(?<![\w.-])[\"']?{_PART}(?:{_WORDS}){_PART}[\"']?"
# NAME=VALUE or NAME: VALUE alone on its line, the value being all that follows; and between other words.
_LINE = re.compile(
    rf"^([ \t]*(?:export[ \t]+|-[ \t]+)?)({_NAMED})([ \t]*[=:][ \t]*)([^\s\"'{{\[][^\n]*)", re.IGNORECASE | re.MULTILINE
)
# All of it in quotes, as units have it; and name and value as two members, as containers have it.
_INSIDE = re.compile(rf"([\"'])({_PART}(?:{_WORDS}){_PART})([ \t]*[=:][ \t]*)([^\"'\n]+)(?=\1)", re.IGNORECASE)
_MEMBERS = re.compile(
    rf"\b((?:name|key)[\"']?[ \t]*:[ \t]*)([\"']?{_PART}(?:{_WORDS}){_PART}[\"']?)"
    r"(,?\s{0,80}[\"']?value[\"']?[ \t]*:[ \t]*)(\"(?:[^\"\\\n]|\\.)*\"?|'[^'\n]*'?|[^\n}]+)",
    re.IGNORECASE,
)
_WORD = re.compile(rf"({_NAMED})([ \t]*[=:][ \t]*)(\"(?:[^\"\\\n]|\\.)*\"?|'[^'\n]*'?|[^\s,;&}}\]\"']+)", re.IGNORECASE)
# As keepalived has it, and as options of programs.
_SPACED = re.compile(rf"^([ \t]*{_PART}(?:auth_?pass|passw(?:or)?d|passphrase|psk)[ \t]+)(\S+)[ \t]*$", re.I | re.M)
_OPTION = re.compile(rf"((?<![\w-])--?{_PART}(?:{_WORDS}){_PART})([ =]+)(?!-)(\S+)", re.IGNORECASE)
_BLOCK = re.compile(
    rf"^([ \t]*)({_NAMED}:[ \t]*[|>][-+0-9]*)[ \t]*\n(?:\1[ \t]+[^\n]*(?:\n|\Z)|[ \t]*\n)+",
    re.IGNORECASE | re.MULTILINE,
)
_PLAIN = frozenset(("true", "false", "null", "none", "yes", "no", "{", "[", "|", ">"))
_RUN = re.compile(r"[A-Za-z0-9+/_-]{40,}={0,2}")
# The last line of something of several lines is short.
_LAST = re.compile(
    r"(\[removed:\d+-characters\][ \t\"]*(?:\n|\\n)(?:[^\n]*[ \t])?)([A-Za-z0-9+/]{8,39}={0,2})(?=\s|\\[rn]|\"|\Z)"
)
_HEX = re.compile(r"[0-9a-fA-F-]+")
_MOST_HEX = 128

# Below these keys of JSON every text is secret, whatever its own key is.
_ALL_BELOW = frozenset(
    ("private_key", "certificate_chain", "session_ticket_keys", "pkcs12", "password", "inline_bytes")
)


def removed(what: str) -> str:
    return f"{MARK}{what.replace(' ', '-')}]"


def forms(secret: bytes) -> list[str]:
    """How a secret may stand in a text: by its lines, since a text may show some of them only, and encoded."""
    found: dict[str, None] = {}
    for content in (secret, secret.strip()):
        for skipped in range(3):
            # As a part of something longer it may begin at any of three places; what hangs over is not its own.
            encoded = base64.b64encode(content[skipped:]).decode().rstrip("=")[:-1]
            found.update(dict.fromkeys((encoded, encoded.replace("+", "-").replace("/", "_"))))
        found[content.hex()] = None
    for line in secret.decode("utf-8", "replace").splitlines():
        text = line.strip()
        if not text.startswith("-----"):
            found.update(dict.fromkeys((text, quote(text, safe=""), base64.b64encode(text.encode()).decode())))
    return sorted((text for text in found if len(text) >= _LEAST), key=len, reverse=True)


class Redactor:
    """Removes what looks like a secret, and these texts; C(forms) makes them."""

    def __init__(self, known: t.Iterable[str] = ()) -> None:
        texts = sorted({text for text in known if len(text) >= _LEAST}, key=len, reverse=True)
        self._known = re.compile("|".join(map(re.escape, texts))) if texts else None

    def text(self, text: str) -> str:
        if self._known:
            text = self._known.sub(removed("a secret of this host"), text)
        text = _PEM.sub(lambda found: removed(found[1].lower() or "PEM"), text)
        text = _without_ends(text)
        text = _JWT.sub(removed("token"), text)
        text = _IN_URL.sub(rf"\1{removed('user')}@", text)
        text = _USER_OPTION.sub(rf"\1{removed('user and password')}", text)
        text = _HEADER.sub(rf"\1\2{removed('header')}", text)
        text = _BEARER.sub(rf"\1{removed('token')}", text)
        text = _BLOCK.sub(_without_block, text)
        text = _MEMBERS.sub(lambda found: found[1] + _without_value(found, 1), text)
        text = _LINE.sub(lambda found: found[1] + _without_value(found, 1), text)
        text = _SPACED.sub(rf"\1{removed('value')}", text)
        text = _OPTION.sub(_without_value, text)
        text = _INSIDE.sub(lambda found: found[1] + _without_value(found, 1), text)
        text = _WORD.sub(_without_value, text)
        return _LAST.sub(_without_last, _RUN.sub(_without_run, text))

    def document(self, value: Json, all_below: bool = False) -> Json:
        """JSON, in which a key says what its value is. Texts in it may be files with lines of their own."""
        if isinstance(value, t.Mapping):
            return {self.text(str(key)): self._member(str(key), item, value, all_below) for key, item in value.items()}
        if isinstance(value, (list, tuple)):
            # The value of an option may be the next item.
            before = [None, *value][: len(value)]
            return [self.document(item, all_below or _is_option(option)) for option, item in zip(before, value)]
        if isinstance(value, str) and value:
            return removed("value") if all_below else self.text(value)
        return value

    def _member(self, key: str, item: Json, parent: t.Mapping[str, t.Any], all_below: bool) -> Json:
        below = all_below or key.lower() in _ALL_BELOW
        if key == "filename":
            below = False
        elif key == "value" and is_sensitive(str(parent.get("name") or parent.get("key") or "")):
            below = True
        elif is_sensitive(key) and isinstance(item, (str, int, float, list)) and not isinstance(item, bool):
            below = below or not isinstance(item, list) or all(isinstance(one, str) for one in item)
            item = str(item) if isinstance(item, (int, float)) else item
        return self.document(item, below)


def is_sensitive(name: str) -> bool:
    """Whether the value of this name is secret."""
    bare = re.sub(r"[\s\"'-]", "", name) if name else ""
    return bool(_SENSITIVE.search(name.replace("-", "_"))) and not _TELLS_ONLY.search(bare)


def _is_option(item: Json) -> bool:
    return isinstance(item, str) and re.fullmatch(r"--?[\w-]+", item) is not None and is_sensitive(item)


def _without_value(found: t.Match[str], skipped: int = 0) -> str:
    """Name, what stands between, and value."""
    name, between, value = (found[number + skipped] for number in (1, 2, 3))
    bare = value.strip("\"' ,;")
    if not is_sensitive(name) or not bare or bare.lower() in _PLAIN or bare.startswith(MARK):
        return name + between + value
    return name + between + removed("value")


def _without_block(found: t.Match[str]) -> str:
    return (
        f"{found[1]}{found[2]} {removed('block')}\n" if is_sensitive(found[2].rstrip(" |>-+0123456789:")) else found[0]
    )


def _without_ends(text: str) -> str:
    """Of a key whose beginning was cut off, the lines before its end."""
    parts, start = [], 0
    for found in _PEM_END.finditer(text):
        parts += [text[start : _begin_of_lines(text, start, found.start())], removed(f"end of {found[1].lower()}")]
        start = found.end()
    return "".join([*parts, text[start:]]) if parts else text


def _begin_of_lines(text: str, least: int, end: int) -> int:
    """The last line of a key may be short, all others are not."""
    begin = end
    while True:
        right = begin
        while right > least and (text[right - 1].isspace() or text[right - 2 : right] in ("\\n", "\\r")):
            right -= 1 if text[right - 1].isspace() else 2
        left = right
        while left > least and text[left - 1] in _BASE64 and text[left - 2 : left] not in ("\\n", "\\r"):
            left -= 1
        if left == right or (begin < end and right - left < _LEAST):
            return begin
        begin = left


def _without_run(found: t.Match[str]) -> str:
    run = found[0]
    if _HEX.fullmatch(run):
        return removed("hexadecimal") if len(run) > _MOST_HEX else run
    return removed(f"{len(run)} characters") if looks_encoded(run) else run


def _without_last(found: t.Match[str]) -> str:
    encoded = found[2].endswith("=") or looks_encoded(found[2])
    return found[1] + (removed(f"{len(found[2])} characters") if encoded else found[2])


def looks_encoded(run: str) -> bool:
    """Names are made of words in one case, or with one capital letter each; what is encoded mixes all."""
    if not re.search("[0-9]", run):
        return False
    mixed = sum(len(part) for part in re.split("[/_-]+", run) if re.search("[a-z]", part) and re.search("[A-Z]", part))
    return mixed * 2 >= len(run)
