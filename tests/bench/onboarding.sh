#!/usr/bin/env bash
# Rows R7 to R14 of the manual procedure as a plain shell script: what the collection is measured against.
# Copies files with scp, runs apt-get, dpkg and systemctl over ssh, looks that names answer and Envoy runs.
# Usage: onboarding.sh FOLDER AT_ONCE NAME=ADDRESS...
# From the environment: SSH_CONFIG KUBECTL VIP SERVICE_CIDR UPSTREAM PACKAGE PORT
set -euo pipefail
folder=$1 at_once=$2
shift 2

# Once for all VMs: R6 to R8, and the package.
prepare() {
    local name key
    echo "server=/svc.cluster.local/$VIP" >"$folder/kubedns"
    for name in istio-{mixer,policy,telemetry,pilot,citadel,ca}{,.istio-system}; do
        echo "address=/$name/$VIP" >>"$folder/kubedns"
    done
    printf '%s\n' "ISTIO_SERVICE_CIDR=$SERVICE_CIDR" \
        ISTIO_SYSTEM_NAMESPACE=istio-system ISTIO_CP_AUTH=MUTUAL_TLS >"$folder/cluster.env"
    for key in root-cert cert-chain key; do
        $KUBECTL get secret istio.default --namespace default --output "jsonpath={.data.$key\\.pem}" |
            base64 -d >"$folder/$key.pem"
    done
    curl --silent --show-error --fail --output "$folder/istio-sidecar.deb" "$PACKAGE"
    cat >"$folder/join.sh" <<'JOIN'
set -euo pipefail
name=$1 address=$2 vip=$3 upstream=$4 port=$5
cd "$(dirname "$0")"
export DEBIAN_FRONTEND=noninteractive
# R9: DNS.
apt-get -qq update
apt-get -qq -y --no-install-recommends install dnsmasq bind9-host >/dev/null
install -m 644 kubedns /etc/dnsmasq.d/kubedns
printf 'nameserver 127.0.0.1\nnameserver %s\n' "$upstream" >/etc/resolv.conf
grep -q "^$address .*$name" /etc/hosts || echo "$address $name" >>/etc/hosts
systemctl --quiet enable dnsmasq
systemctl restart dnsmasq
# R10: names.
for known in istio-pilot istio-pilot.istio-system istio-citadel istio-citadel.istio-system; do
    host "$known" 127.0.0.1 | grep "has address $vip" >/dev/null
done
for known in istio-pilot istio-citadel; do
    host "$known.istio-system.svc.cluster.local" 127.0.0.1 | grep 'has address' >/dev/null
done
# R11 and R14: the sidecar.
dpkg -i istio-sidecar.deb >/dev/null
mkdir -p /etc/certs /var/lib/istio/envoy
install -m 644 root-cert.pem cert-chain.pem /etc/certs
install -m 600 key.pem /etc/certs
install -m 644 cluster.env /var/lib/istio/envoy
printf 'ISTIO_SVC_IP=%s\nISTIO_INBOUND_PORTS=%s\n' "$address" "$port" >>/var/lib/istio/envoy/sidecar.env
chown -R istio-proxy /var/lib/istio /etc/certs
systemctl --quiet enable istio-auth-node-agent istio
systemctl start istio-auth-node-agent istio
# R12 and R13: its processes and rules.
for attempt in $(seq 300); do
    if curl --silent --max-time 2 http://127.0.0.1:15000/server_info | grep LIVE >/dev/null; then break; fi
    [ "$attempt" -lt 300 ] || { echo "$name: Envoy is not live after 60 s" >&2; exit 1; }
    sleep 0.2
done
systemctl --quiet is-active istio-auth-node-agent istio
iptables-save -t nat | grep -e '-j ISTIO_REDIRECT' >/dev/null
rm -rf "$PWD"
JOIN
}

join() {
    local name=$1 address=$2
    scp -q -r -F "$SSH_CONFIG" "$folder" "$name:/root/join"
    ssh -n -F "$SSH_CONFIG" "$name" bash /root/join/join.sh "$name" "$address" "$VIP" "$UPSTREAM" "$PORT"
}

prepare
failed=0 running=0
for vm; do
    if [ "$running" -ge "$at_once" ]; then
        wait -n || failed=1
        running=$((running - 1))
    fi
    # In a shell of its own, where the first command that fails ends it.
    (set -e; join "${vm%%=*}" "${vm#*=}") &
    running=$((running + 1))
done
while [ "$running" -gt 0 ]; do
    wait -n || failed=1
    running=$((running - 1))
done
exit "$failed"
