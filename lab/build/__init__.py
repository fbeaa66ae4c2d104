"""Builders: each returns the path of a finished cache entry and makes it when it is missing."""
