# Stand-in for istio-start.sh of Istio 1.0: sets up the packet capture, then runs pilot-agent (and by it Envoy) as istio-proxy.
# shellcheck shell=bash
set -eu

# Settings of the machine first, of the cluster second: the cluster's win here.
for settings in "${ISTIO_SIDECAR_CONFIG:-/var/lib/istio/envoy/sidecar.env}" \
                "${ISTIO_CLUSTER_CONFIG:-/var/lib/istio/envoy/cluster.env}"; do
  if [ -r "$settings" ]; then
    # shellcheck disable=SC1090
    . "$settings"
  fi
done

bin=${ISTIO_BIN_BASE:-/usr/local/bin}
log=${ISTIO_LOG_DIR:-/var/log/istio}/istio.log
user=${EXEC_USER:-istio-proxy}
namespace=${ISTIO_NAMESPACE:-default}
address=${ISTIO_SVC_IP:-$(hostname --ip-address)}
pod=${POD_NAME:-$(hostname -s)}
pilot=${PILOT_ADDRESS:-istio-pilot.${ISTIO_SYSTEM_NAMESPACE:-istio-system}:${ISTIO_PILOT_PORT:-15011}}

# `run` leaves the capture rules as they are.
if [ "${1:-}" != run ]; then
  "$bin/istio-iptables.sh"
fi

agent="exec $bin/pilot-agent proxy ${ISTIO_AGENT_FLAGS:-} --serviceCluster ${ISTIO_SERVICE:-rawvm}"
agent="$agent --discoveryAddress $pilot --controlPlaneAuthPolicy ${ISTIO_CP_AUTH:-MUTUAL_TLS}"
exec su -s /bin/bash -c "INSTANCE_IP=$address POD_NAME=$pod POD_NAMESPACE=$namespace $agent >> $log 2>&1" "$user"
