"""The owner replaces the mesh's root certificate in steps; rotate.yml brings the VM along and names the next step.
20 requests a second from a pod to the VM and from the VM to a pod: none fails."""

from __future__ import annotations

import base64
import json
import threading
import time
from collections import Counter
from collections.abc import Callable

import pytest
from conftest import LIFETIME
from cryptography import x509
from ground import apply, get, in_pod, kubectl, on, playbook

from lab import hosts
from lab.config import Host
from lab.istio import ca, rendered
from tests.live import eventually

FLAG = "/tmp/rotation"
REQUEST = "curl -s -o /dev/null --max-time 5 -w '%{http_code} ' URL"
LOOP = f"while test -e {FLAG}; do {REQUEST} & sleep 0.05; done; wait"
PODS = ("client", "server")
# Seconds: certificates of two minutes are renewed after one, and the machine may be busy.
PATIENCE = 400


def certificates(pem: bytes) -> list[x509.Certificate]:
    return x509.load_pem_x509_certificates(pem)


def names(pem: bytes) -> set[str]:
    """Of the certificates in a file."""
    return {item.subject.rfc4514_string().partition("CN=")[2].partition(",")[0] for item in certificates(pem)}


def published() -> set[str]:
    return names(get("configmap", "istio-ca-root-cert")["data"]["root-cert.pem"].encode())


def trusted(vm: Host) -> set[str]:
    return names(on(vm, "cat /etc/certs/root-cert.pem").encode())


def signer_on(vm: Host) -> str:
    leaf = certificates(on(vm, "cat /etc/certs/cert-chain.pem").encode())[0]
    return leaf.issuer.rfc4514_string()


def signers_in(pod: str) -> list[str]:
    """The certificates that its Envoy uses now."""
    status, said = in_pod(pod, "curl", "-s", "http://127.0.0.1:15000/config_dump?resource=dynamic_active_secrets")
    assert status == 0, said
    found = [item["secret"] for item in json.loads(said).get("configs", [])]
    chains = [item["tls_certificate"]["certificate_chain"] for item in found if "tls_certificate" in item]
    return [certificates(base64.b64decode(item["inline_bytes"]))[0].issuer.rfc4514_string() for item in chains]


class Traffic:
    """Requests without end, from a pod or a VM."""

    def __init__(self, run: Callable[[str], str], url: str) -> None:
        self._run, self._url = run, url
        self.codes: Counter[str] = Counter()

    def __enter__(self) -> Traffic:
        self._run(f"touch {FLAG}")
        self._thread = threading.Thread(target=self._send)
        self._thread.start()
        return self

    def _send(self) -> None:
        self.codes.update(self._run(LOOP.replace("URL", self._url)).split())

    def __exit__(self, *_exception: object) -> None:
        self._run(f"rm -f {FLAG}")
        self._thread.join(30)


def in_client(line: str) -> str:
    return in_pod("client", "sh", "-c", line)[1]


def from_vm(vm: Host) -> Callable[[str], str]:
    """As an ordinary user, whose traffic is captured."""
    return lambda line: hosts.ssh(vm, ["runuser", "-u", "nobody", "--", "sh", "-c", line], timeout=1800).stdout


def next_step() -> str:
    """What rotate.yml says, on one line."""
    done = playbook(
        *["playbooks/rotate.yml", "-e", f"mesh_certificate_ttl={LIFETIME}"],
        *["-e", "istio_sidecar_pod_certificate_lifetime=120"],
    )
    assert done.returncode == 0, done.stdout[-4000:]
    return " ".join(done.stdout.replace("''", "'").split())


def trusts(pod: str, roots: set[str]) -> bool:
    status, said = in_pod(pod, "curl", "-s", "http://127.0.0.1:15000/config_dump?resource=dynamic_active_secrets")
    assert status == 0, said
    found = [item["secret"] for item in json.loads(said).get("configs", [])]
    files = [item["validation_context"]["trusted_ca"]["inline_bytes"] for item in found if "validation_context" in item]
    return bool(files) and all(names(base64.b64decode(item)) >= roots for item in files)


def all_of(pod: str, root: str) -> bool:
    found = signers_in(pod)
    return bool(found) and all(root in item for item in found)


@pytest.fixture(scope="module")
def pods() -> None:
    """Their certificates are good for two minutes as well, so that the test ends today."""
    for name in PODS:
        settings = f"proxyMetadata: {{SECRET_TTL: {LIFETIME}}}"
        change = {"spec": {"template": {"metadata": {"annotations": {"proxy.istio.io/config": settings}}}}}
        kubectl("patch", "deployment", name, "-p", json.dumps(change))
        kubectl("rollout", "status", "deployment", name, "--timeout=170s")


@pytest.mark.usefixtures("pods")
def test_rotation(vm: Host, capsys: pytest.CaptureFixture[str]) -> None:
    seen = get("secret", "cacerts", rendered.NAMESPACE)["data"]
    old = {name: base64.b64decode(value) for name, value in seen.items()}
    (before,) = names(old["root-cert.pem"])
    after = f"root {int(before.split()[-1]) + 1}"
    new = ca.create(after)
    both = old["root-cert.pem"] + new["root-cert.pem"]
    url, back = f"http://{vm.name}.default:9080/", "http://server.default:8080/"

    def step(name: str, files: dict[str, bytes], roots: set[str]) -> None:
        apply(ca.secret(files, rendered.NAMESPACE))
        eventually(f"{name}: istiod gives out {roots}", lambda: published() == roots, PATIENCE)

    eventually("a pod reaches the VM", lambda: in_client(f"curl -s -o /dev/null -w '%{{http_code}}' {url}") == "200")
    with (
        Traffic(in_client, url) as there,
        Traffic(from_vm(vm), back) as away,
    ):
        assert f"The mesh has one root, CN={before}" in next_step()

        step("both are trusted", {**old, "root-cert.pem": both}, {before, after})
        said = next_step()
        assert trusted(vm) == {before, after}
        assert f"Next: let istiod sign with an intermediate of CN={after}" in said
        for pod in PODS:
            eventually(f"{pod} trusts both", lambda pod=pod: trusts(pod, {before, after}), PATIENCE)

        step("the new one signs", {**new, "root-cert.pem": both}, {before, after})
        eventually("the VM has a certificate of the new root", lambda: after in signer_on(vm), PATIENCE)
        for pod in PODS:
            eventually(f"{pod} has a certificate of the new root", lambda pod=pod: all_of(pod, after), PATIENCE)
        assert f"Next: leave CN={after}" in next_step()

        step("the old one is gone", new, {after})
        said = next_step()
        assert trusted(vm) == {after}
        assert f"The mesh has one root, CN={after}" in said
        # Until everybody has asked istiod for another certificate once more.
        time.sleep(75)
    with capsys.disabled():
        print(f"\nrotation: pod to VM {dict(there.codes)}, VM to pod {dict(away.codes)}")
    assert set(there.codes) == {"200"}
    assert set(away.codes) == {"200"}
    assert there.codes["200"] > 500
    assert away.codes["200"] > 500
