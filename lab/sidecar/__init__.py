"""Builder of the lab's istio-sidecar.deb: upstream's file layout, the real Envoy, stand-in agents."""
