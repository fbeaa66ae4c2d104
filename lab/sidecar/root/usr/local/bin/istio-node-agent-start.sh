# Stand-in for istio-node-agent-start.sh of Istio 1.0: runs node_agent, which keeps the machine's certificate fresh, as istio-proxy.
# shellcheck shell=bash
set -eu

for settings in "${ISTIO_SIDECAR_CONFIG:-/var/lib/istio/envoy/sidecar.env}" \
                "${ISTIO_CLUSTER_CONFIG:-/var/lib/istio/envoy/cluster.env}"; do
  if [ -r "$settings" ]; then
    # shellcheck disable=SC1090
    . "$settings"
  fi
done

bin=${ISTIO_BIN_BASE:-/usr/local/bin}
certs=${CERTS_DIR:-/etc/certs}

agent="exec $bin/node_agent --env ${CITADEL_ENV:-onprem} --ca-address ${CITADEL_ADDRESS:-istio-citadel:8060}"
agent="$agent --cert-chain $certs/cert-chain.pem --key $certs/key.pem --root-cert $certs/root-cert.pem"
exec su -s /bin/bash -c "NODE_AGENT_RENEW_AFTER=${NODE_AGENT_RENEW_AFTER:-} $agent" "${EXEC_USER:-istio-proxy}"
