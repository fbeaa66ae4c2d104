"""Part of the Pilot stand-in: Envoy resources from Kubernetes objects, and the aggregated discovery service."""
