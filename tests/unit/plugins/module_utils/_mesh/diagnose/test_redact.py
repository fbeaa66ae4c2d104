# Copyright (c) 2026, mesh.expansion contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Secrets as they stand in files, logs, answers and encodings: none of them stays, and what is none does."""

from __future__ import annotations

import base64
import json
import textwrap
from urllib.parse import quote

import pytest
from ansible_collections.mesh.expansion.plugins.module_utils._mesh.diagnose import redact
from hypothesis import given
from hypothesis import strategies as st
from leaks import leaks

from tests.unit.plugins.mesh_pki import authority

KEY = authority().issue()["key.pem"].decode()
TOKEN = ".".join(
    base64.urlsafe_b64encode(part).decode().rstrip("=")
    for part in (
        b'{"alg":"RS256","kid":"x"}',
        b'{"aud":["istio-ca"],"sub":"system:serviceaccount:a:b"}',
        bytes(range(256)),
    )
)
B64 = base64.b64encode(KEY.encode()).decode()
LOG = "\n".join(f"2026-11-28T10:00:0{n % 10}+0000 vm istio[7]: {line}" for n, line in enumerate(KEY.splitlines()))
BODY = "\n".join(KEY.splitlines()[1:-1])
EMPTY = redact.Redactor()

# Where a key or token stands that nobody has told of.
SHAPES = {
    "a file": KEY,
    "a file with spaces before its lines": textwrap.indent(KEY, "    "),
    "a file that was cut at its end": KEY[: len(KEY) // 2],
    "a file that was cut at its beginning": KEY[50:],
    "its lines alone": BODY,
    "a journal": LOG,
    "a journal that begins in it": "\n".join(LOG.splitlines()[2:]),
    "JSON": json.dumps({"text": KEY}),
    "JSON in JSON": json.dumps({"a": json.dumps({"text": KEY})}),
    "a kubeconfig": f"users:\n- name: me\n  user:\n    client-key-data: {B64}\n",
    "a kubeconfig of lines": "data: |\n" + textwrap.indent(textwrap.fill(B64, 64), "  "),
    "base64 of base64": base64.b64encode(B64.encode()).decode(),
    "base64 in a URL": f"https://example.com/?a={quote(B64, safe='')}&b=1",
    "hexadecimal": KEY.encode().hex(),
    "a header": f'curl -H "Authorization: Bearer {TOKEN}" https://example.com/',
    "a header of a log": f"> authorization: Bearer {TOKEN}\n> accept: */*",
    "an option": f"pilot-agent proxy --token {TOKEN} --log_output_level all:debug",
    "an option with =": f"pilot-agent proxy --token={TOKEN} --domain x",
    "an environment": f"Environment=CA_TOKEN={TOKEN}\nHOME=/root",
    "a token alone": TOKEN,
    "the end of a token": TOKEN[-200:],
    "the middle of a token": TOKEN[30:130],
    "a token in base64": base64.b64encode(TOKEN.encode()).decode(),
}


@pytest.mark.parametrize("shape", SHAPES)
def test_a_secret_that_nobody_has_told_of(shape: str) -> None:
    text = f"before it\n{SHAPES[shape]}\nbehind it: 192.0.2.1\n"
    left = EMPTY.text(text)
    assert leaks(KEY.encode(), left) == []
    assert leaks(TOKEN.encode(), left) == []
    assert left.startswith("before it\n")
    assert redact.MARK in left


@pytest.mark.parametrize("shape", SHAPES)
def test_a_document_with_it(shape: str) -> None:
    document = {"configs": [{"name": SHAPES[shape], "list": [SHAPES[shape]], "port": 15012, "on": True, "none": None}]}
    left = EMPTY.document(document)
    assert leaks(KEY.encode(), json.dumps(left)) == []
    assert leaks(TOKEN.encode(), json.dumps(left)) == []
    assert (left["configs"][0]["port"], left["configs"][0]["on"], left["configs"][0]["none"]) == (15012, True, None)


PASSWORDS = [
    "password=hunter2",
    "export DB_PASSWORD=hunter2",
    "DB_PASSWORD='hunter2 hunter2'",
    'password: "hunter2 \\" hunter2"',
    "- password: horse hunter2",
    "password: |\n  horse\n  hunter2\nport: 1",
    "  auth_pass hunter2",
    "level=info token=hunter2, secret=hunter2; done",
    '{"level":"info","api_key":"hunter2","clientSecret": "hunter2"}',
    "curl -u admin:hunter2 https://example.com",
    "fetching https://admin:hunter2@example.com/deb",
    "fetching https://hunter2@example.com/deb",
    "mysqld --password hunter2 --port 1",
    "Set-Cookie: session=hunter2; Path=/",
    "X-Vault-Token: hunter2",
    "Environment=AWS_SECRET_ACCESS_KEY=hunter2",
    "PrivateKey = hunter2",
    'Environment="DB_PASSWORD=horse hunter2" "A=b"',
    "env:\n- name: DB_PASSWORD\n  value: horse hunter2",
    '{"name": "DB_PASSWORD", "value": "horse hunter2"}',
    "Bearer hunter2",
]


@pytest.mark.parametrize("text", PASSWORDS)
def test_a_password(text: str) -> None:
    left = EMPTY.text(f"a line\n{text}\nport: 15012\n")
    assert "hunter2" not in left
    assert left.startswith("a line\n")
    assert left.endswith("\nport: 15012\n")
    # Nothing is left to do.
    assert EMPTY.text(left) == left


DOCUMENTS = [
    {"password": "hunter2"},
    {"tls": {"private_key": {"inline_string": "hunter2"}}},
    {"private_key": {"deep": [{"er": "hunter2"}]}},
    {"bootstrap": {"trusted_ca": {"inline_bytes": "hunter2"}}},
    {"env": [{"name": "DB_PASSWORD", "value": "hunter2"}]},
    {"headers": [{"key": "authorization", "value": "hunter2"}]},
    {"tokens": ["hunter2", "hunter2"]},
    {"args": ["proxy", "--token", "hunter2", "--x"]},
    {"text": "A=1\nPASSWORD=hunter2\nB=2\n"},
    {"pin_token": {"a": 1}, "token": 4711000000, "x": {"passphrase": "hunter2"}},
]


@pytest.mark.parametrize("document", DOCUMENTS)
def test_a_password_in_a_document(document: dict[str, object]) -> None:
    left = json.dumps(EMPTY.document(document))
    assert "hunter2" not in left
    assert "4711000000" not in left


HARMLESS = """\
ISTIO_META_TOKEN_PATH=/var/run/secrets/tokens/istio-token
-A -t 192.168.0.62:15012 -s wrr -p 300  # connections=12
-a -t 192.168.0.62:15012 -r 192.168.0.71:15012 -g -w 1
chain service-2QRHZV4L-istio-system/istiod-lb/tcp/grpc-xds-and-something { }
cluster.outbound|15012||istiod.istio-system.svc.cluster.local.upstream_cx_total: 7
sha256 Fingerprint=AB:CD:EF
image: sha256:0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef
"@type": "type.googleapis.com/envoy.extensions.transport_sockets.tls.v3.UpstreamTlsContext"
"filename": "/etc/certs/cert-chain.pem"
default via 192.168.0.1 dev eth0 proto static metric 1024
authentication failed: the token has expired
-rw------- istio-proxy:istio-proxy 227 2026-11-28T10:00:00Z /etc/certs/key.pem
/var/lib/istio/envoy/envoy_bootstrap_tmpl.json --restart-epoch 0 --drain-time-s 45
secretName: istio.default
"""


@pytest.mark.parametrize("line", HARMLESS.splitlines())
def test_what_a_colleague_needs_stays(line: str) -> None:
    assert EMPTY.text(line) == line


def test_a_known_secret_goes_in_every_form() -> None:
    """Also one that looks like nothing."""
    secret = b"all lower-case words of a token, twelve of them, and no digit\n"
    known = redact.Redactor(redact.forms(secret))
    plain = secret.decode().strip()
    for text in (plain, base64.b64encode(secret).decode(), base64.b64encode(b"x" + secret + b"yz").decode()):
        assert leaks(secret, f"it is {text}.")
        assert leaks(secret, known.text(f"it is {text}.")) == []
    for text in (quote(plain), secret.hex(), base64.urlsafe_b64encode(secret).decode()):
        assert leaks(secret, known.text(f"it is {text}.")) == []
    assert known.text("all lower-case words") == "all lower-case words"


@given(
    content=st.binary(min_size=40, max_size=400),
    before=st.text(max_size=40),
    behind=st.text(max_size=40),
    label=st.sampled_from(["PRIVATE KEY", "RSA PRIVATE KEY", "EC PRIVATE KEY", "OPENSSH PRIVATE KEY", "CERTIFICATE"]),
    prefix=st.sampled_from(["", "  ", "> ", "Nov 28 10:00:00 vm istio[7]: "]),
    cut=st.integers(min_value=0, max_value=30),
)
def test_any_key(content: bytes, before: str, behind: str, label: str, prefix: str, cut: int) -> None:
    body = textwrap.wrap(base64.b64encode(content).decode(), 64)
    text = "\n".join(f"{prefix}{line}" for line in [f"-----BEGIN {label}-----", *body, f"-----END {label}-----"])
    left = EMPTY.text(f"{before}\n{text}\n{behind}")
    assert not any(line[:PART] in left for line in body if len(line) > PART)
    # Its last lines are missing.
    left = EMPTY.text(f"{text[: len(text) - cut]}")
    assert not any(line[:PART] in left for line in body[:-2] if len(line) > PART)


PART = 24


@given(secret=st.text(st.characters(codec="ascii", categories=["L", "N"]), min_size=12, max_size=80), rest=st.text())
def test_any_known_secret(secret: str, rest: str) -> None:
    known = redact.Redactor(redact.forms(secret.encode()))
    encoded = base64.b64encode(secret.encode()).decode()
    for form in (secret, json.dumps({"a": f"{secret}\n{secret}"}), encoded, secret.encode().hex()):
        left = known.text(f"{rest} {form} {rest}").replace(rest, "") if rest else known.text(form)
        assert secret not in left
        assert encoded.rstrip("=")[:-1] not in left


@given(text=st.text(max_size=300))
def test_no_text_is_too_much(text: str) -> None:
    once = EMPTY.text(text)
    assert EMPTY.text(once) == once


def test_long_texts_take_no_time_to_speak_of() -> None:
    """Each of these made one of the patterns go back and forth."""
    for text in ("token" * 20000, "A+/b" * 20000, "a." * 40000, "-----BEGIN X-----" * 2000, '"=:' * 20000):
        assert len(EMPTY.text(text)) <= len(text)
