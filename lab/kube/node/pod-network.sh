#!/bin/sh
# Stand-in for flannel: the overlay network of a node. Run again, it repairs what is missing.
# /etc/pod-network.conf: NIC, POD_NETWORK, POD_CIDR (this node's), VTEP (address and MAC of this node's end of the
# tunnel), PEERS (for every other node: address,pod-cidr,tunnel-address,tunnel-mac).
set -eu
. /etc/pod-network.conf

sysctl -q -w net.ipv4.ip_forward=1 net.ipv4.conf.all.rp_filter=0

ip link show flannel.1 >/dev/null 2>&1 ||
    ip link add flannel.1 address "${VTEP#*,}" type vxlan id 1 dev "$NIC" dstport 8472 nolearning
ip address replace "${VTEP%,*}/32" dev flannel.1
ip link set flannel.1 up

ip link show cni0 >/dev/null 2>&1 || ip link add cni0 type bridge
ip address replace "${POD_CIDR%.0/*}.1/${POD_CIDR#*/}" dev cni0
ip link set cni0 up
# Pods on one bridge reach each other through the node: there is nothing to redirect them to.
sysctl -q -w net.ipv4.conf.all.send_redirects=0 net.ipv4.conf.cni0.send_redirects=0

for peer in $PEERS; do
    address=${peer%%,*} rest=${peer#*,}
    cidr=${rest%%,*} rest=${rest#*,}
    remote=${rest%%,*} mac=${rest#*,}
    ip neighbour replace "$remote" lladdr "$mac" dev flannel.1 nud permanent
    bridge fdb replace "$mac" dev flannel.1 dst "$address"
    ip route replace "$cidr" via "$remote" dev flannel.1 onlink
done

rule() { # table chain rule…: append unless it is there
    table=$1 chain=$2
    shift 2
    iptables -w -t "$table" -C "$chain" "$@" 2>/dev/null || iptables -w -t "$table" -A "$chain" "$@"
}
rule nat POSTROUTING -s "$POD_NETWORK" ! -d "$POD_NETWORK" -m comment --comment "pods leave as their node" -j MASQUERADE
# One way only: from the site, pods are reached through kube-proxy or not at all.
for chain in INPUT FORWARD; do
    rule filter "$chain" -i "$NIC" -d "$POD_NETWORK" -m conntrack --ctstate NEW -m conntrack ! --ctstate DNAT \
        -m comment --comment "no way in to pods" -j DROP
done
