# Stand-in for istio-iptables.sh of Istio 1.0: redirects TCP into Envoy. `clean` removes what it added. IPv6 is left alone.
# shellcheck shell=bash
set -eu

# The reverse order of istio-start.sh: here the machine's own settings win.
for settings in "${ISTIO_CLUSTER_CONFIG:-/var/lib/istio/envoy/cluster.env}" \
                "${ISTIO_SIDECAR_CONFIG:-/var/lib/istio/envoy/sidecar.env}"; do
  if [ -r "$settings" ]; then
    # shellcheck disable=SC1090
    . "$settings"
  fi
done

# Another process may hold the lock for a moment.
nat() { iptables -w 10 -t nat "$@"; }

remove_rules() {
  while nat -C "$1" -p tcp -j "$2" 2>/dev/null; do nat -D "$1" -p tcp -j "$2"; done
}

clean() {
  remove_rules PREROUTING ISTIO_INBOUND
  remove_rules OUTPUT ISTIO_OUTPUT
  # The chain that the others refer to goes last.
  for chain in ISTIO_INBOUND ISTIO_OUTPUT ISTIO_REDIRECT; do
    if nat -n -L "$chain" >/dev/null 2>&1; then
      nat -F "$chain"
      nat -X "$chain"
    fi
  done
}

if [ "${1:-}" = clean ]; then
  clean
  exit 0
fi

mode=${ISTIO_INBOUND_INTERCEPTION_MODE:-REDIRECT}
if [ "$mode" != REDIRECT ]; then
  echo "ISTIO_INBOUND_INTERCEPTION_MODE=$mode: the stand-in knows REDIRECT only" >&2
  exit 1
fi

words() { tr ',' '\n' <<<"$1"; }

user=${ENVOY_USER:-istio-proxy}

rules() {
  echo '*nat'
  # Naming a chain creates it, or empties it.
  echo ':ISTIO_REDIRECT - [0:0]'
  echo ':ISTIO_OUTPUT - [0:0]'
  echo "-A ISTIO_REDIRECT -p tcp -j REDIRECT --to-ports ${ENVOY_PORT:-15001}"

  if [ -n "${ISTIO_INBOUND_PORTS:-}" ]; then
    echo ':ISTIO_INBOUND - [0:0]'
    echo '-A PREROUTING -p tcp -j ISTIO_INBOUND'
    if [ "$ISTIO_INBOUND_PORTS" = '*' ]; then
      for port in 22 $(words "${ISTIO_LOCAL_EXCLUDE_PORTS:-}"); do
        echo "-A ISTIO_INBOUND -p tcp --dport $port -j RETURN"
      done
      echo '-A ISTIO_INBOUND -p tcp -j ISTIO_REDIRECT'
    else
      for port in $(words "$ISTIO_INBOUND_PORTS"); do
        echo "-A ISTIO_INBOUND -p tcp --dport $port -j ISTIO_REDIRECT"
      done
    fi
  fi

  echo '-A OUTPUT -p tcp -j ISTIO_OUTPUT'
  # A process that calls its own service by the machine's address goes through Envoy both ways.
  echo '-A ISTIO_OUTPUT ! -d 127.0.0.1/32 -o lo -j ISTIO_REDIRECT'
  for id in "$(id -u "$user")" 0; do echo "-A ISTIO_OUTPUT -m owner --uid-owner $id -j RETURN"; done
  for id in "$(id -g "$user")" 0; do echo "-A ISTIO_OUTPUT -m owner --gid-owner $id -j RETURN"; done
  echo '-A ISTIO_OUTPUT -d 127.0.0.1/32 -j RETURN'
  for range in $(words "${ISTIO_SERVICE_EXCLUDE_CIDR:-}"); do echo "-A ISTIO_OUTPUT -d $range -j RETURN"; done
  if [ "${ISTIO_SERVICE_CIDR:-}" = '*' ]; then
    echo '-A ISTIO_OUTPUT -j ISTIO_REDIRECT'
  elif [ -n "${ISTIO_SERVICE_CIDR:-}" ]; then
    for range in $(words "$ISTIO_SERVICE_CIDR"); do echo "-A ISTIO_OUTPUT -d $range -j ISTIO_REDIRECT"; done
    echo '-A ISTIO_OUTPUT -j RETURN'
  fi
  echo 'COMMIT'
}

# A port or range with a typing error must stop the script, not vanish in a pipe.
set -f
new_rules=$(rules)
clean
# All rules or none.
iptables-restore -w 10 --noflush <<<"$new_rules"
