#!/usr/bin/env bash
# Istio's documented steps for virtual machines as a plain shell script: what the collection is measured against.
# For each VM a service account, a Service and a WorkloadGroup, `istioctl x workload entry configure`, and scp; on the VM
# the package, the files in their places, the line for /etc/hosts, owners, and the unit. Then it is to be ready.
# Usage: onboarding_istiod.sh FOLDER AT_ONCE NAME=ADDRESS...
# From the environment: SSH_CONFIG KUBECTL ISTIOCTL VIP PACKAGE PORT
set -euo pipefail
folder=$1 at_once=$2
shift 2

# Once for all VMs: the package, and what is done on each.
prepare() {
    mkdir "$folder/all"
    curl --silent --show-error --fail --output "$folder/all/istio-sidecar.deb" "$PACKAGE"
    cat >"$folder/all/join.sh" <<'JOIN'
set -euo pipefail
name=$1
cd "$(dirname "$0")"
export DEBIAN_FRONTEND=noninteractive
apt-get -qq update
apt-get -qq -y install ./istio-sidecar.deb >/dev/null
mkdir -p /etc/certs /var/run/secrets/tokens /etc/istio/config /etc/istio/proxy /var/lib/istio/envoy
cp root-cert.pem /etc/certs/root-cert.pem
cp istio-token /var/run/secrets/tokens/istio-token
cp cluster.env /var/lib/istio/envoy/cluster.env
cp mesh.yaml /etc/istio/config/mesh
cat hosts >>/etc/hosts
chown -R istio-proxy /var/lib/istio /etc/certs /etc/istio /var/run/secrets
# A host without rules tracks no connections, and the sidecar's first rules would capture the one that this runs over.
iptables -N tracked
iptables -A tracked -m conntrack --ctstate INVALID -j RETURN
echo "$name: installed"
sleep 0.5
systemctl --quiet enable istio
systemctl start istio
for attempt in $(seq 300); do
    if curl --silent --fail --max-time 2 http://127.0.0.1:15021/healthz/ready >/dev/null; then break; fi
    [ "$attempt" -lt 300 ] || { echo "$name: the sidecar is not ready after 60 s" >&2; exit 1; }
    sleep 0.2
done
rm -rf "$PWD"
JOIN
}

objects() {
    cat <<OBJECTS
apiVersion: v1
kind: ServiceAccount
metadata: {name: $1, namespace: default}
---
apiVersion: v1
kind: Service
metadata: {name: $1, namespace: default}
spec:
  selector: {app: $1}
  ports: [{name: http, port: $PORT}]
---
OBJECTS
    group "$1"
}

group() {
    cat <<GROUP
apiVersion: networking.istio.io/v1
kind: WorkloadGroup
metadata: {name: $1, namespace: default}
spec:
  metadata: {labels: {app: $1}}
  template: {serviceAccount: $1, network: vm-network, ports: {http: $PORT}}
  probe: {periodSeconds: 1, httpGet: {path: /, port: $PORT}}
GROUP
}

join() {
    local name=$1 own=$folder/$1
    cp -r "$folder/all" "$own"
    objects "$name" | $KUBECTL apply -f - >/dev/null
    group "$name" >"$own/workloadgroup.yaml"
    $ISTIOCTL x workload entry configure -f "$own/workloadgroup.yaml" -o "$own" --clusterID Kubernetes \
        --autoregister --ingressIP "$VIP" >/dev/null
    scp -q -r -F "$SSH_CONFIG" "$own" "$name:/root/join"
    ssh -n -F "$SSH_CONFIG" "$name" bash /root/join/join.sh "$name"
}

prepare
failed=0 running=0
for vm; do
    if [ "$running" -ge "$at_once" ]; then
        wait -n || failed=1
        running=$((running - 1))
    fi
    # In a shell of its own, where the first command that fails ends it.
    (set -e; join "${vm%%=*}") &
    running=$((running + 1))
done
while [ "$running" -gt 0 ]; do
    wait -n || failed=1
    running=$((running - 1))
done
exit "$failed"
