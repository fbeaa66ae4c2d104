"""The embedded test bed: a small mesh site on one Linux machine (see docs/lab.md)."""
