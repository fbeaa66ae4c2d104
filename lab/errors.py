"""The lab's one exception: what was attempted, why it failed, what to do next."""

from __future__ import annotations


class LabError(Exception):
    """Printed as one message, without a traceback."""
