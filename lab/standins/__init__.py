"""Stand-ins for the control plane of Istio 1.0 and for kube-dns: small programs that speak the real wire protocols as
far as the mesh expansion procedure needs them. None of this is Istio."""
