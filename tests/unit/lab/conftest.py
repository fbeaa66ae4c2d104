"""Unit tests look at the site of topology.yml, whatever lab is up on this machine."""

from __future__ import annotations

from lab import config

config.use(config.default_shape())
