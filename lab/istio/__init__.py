"""Istio of today on the lab: a real istiod and real sidecars, as its own installer renders them."""
