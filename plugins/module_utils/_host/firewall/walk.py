# Copyright (c) 2026, mesh.expansion contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What becomes of a packet in the packet filter. Pure. Private to the collection.

Where it cannot be told whether a rule fits, both ways are gone.
"""

from __future__ import annotations

import typing as t

from .model import ACCEPT, DROP, GOTO, JUMP, NAT, NOTRACK, RETURN, UNKNOWN, Base, Chains, Packet, every

PASSES, DROPPED, TAKEN, UNCLEAR = "passes", "dropped", "taken", "unclear"
# It goes on behind a chain's end; perhaps it is not tracked.
_ON, _PERHAPS = "on", "perhaps"
_RAW = -200


class Verdict(t.NamedTuple):
    outcome: str
    # The chain that decides, or that cannot be read.
    base: Base | None = None


def verdict(bases: t.Sequence[Base], packet: Packet) -> Verdict:
    """What becomes of it at its hook."""
    packet = _tracked(bases, packet)
    doubtful = None
    for base in _at(bases, packet.hook):
        found = _outcomes(base, packet) - {NOTRACK, _PERHAPS}
        if found == {DROP}:
            return Verdict(DROPPED, base)
        if found == {NAT}:
            return Verdict(TAKEN, base)
        if found - {ACCEPT, NAT} and doubtful is None:
            doubtful = base
    return Verdict(UNCLEAR, doubtful) if doubtful else Verdict(PASSES)


def _at(bases: t.Sequence[Base], hook: str) -> list[Base]:
    return sorted((base for base in bases if base.hook == hook), key=lambda base: base.priority)


def _tracked(bases: t.Sequence[Base], packet: Packet) -> Packet:
    """Its state, after the rules that keep packets from being tracked."""
    if packet.hook not in ("prerouting", "input", "forward"):
        return packet
    before = packet._replace(hook="prerouting")
    found: set[str] = set()
    for base in _at(bases, "prerouting"):
        if base.priority < _RAW:
            found |= _outcomes(base, before)
    if NOTRACK in found:
        return packet._replace(state="untracked")
    return packet._replace(state=None) if _PERHAPS in found else packet


def _outcomes(base: Base, packet: Packet) -> set[str]:
    found = _Walk(base.chains, packet).chain(base.start, True)
    return found - {_ON} | ({base.policy} if _ON in found else set())


class _Walk:
    def __init__(self, chains: Chains, packet: Packet) -> None:
        self.chains = chains
        self.packet = packet
        self.known: dict[tuple[str, bool], set[str]] = {}

    def chain(self, name: str, sure: bool) -> set[str]:
        """How it may end; C(sure): it certainly gets here."""
        if (name, sure) not in self.known:
            self.known[name, sure] = self._through(name, sure)
        return self.known[name, sure]

    def _through(self, name: str, sure: bool) -> set[str]:
        found: set[str] = set()
        for rule in self.chains.get(name, ()):
            fits = every(rule.tests, self.packet)
            if fits is False:
                continue
            here = sure and fits is True
            if rule.action == NOTRACK:
                found.add(NOTRACK if here else _PERHAPS)
                continue
            ends = self._ends(rule.action, rule.target, here)
            found |= ends - {_ON}
            if fits and _ON not in ends:
                break
            # Behind a rule that may have ended it, nothing is sure any more.
            sure = sure and not ends - {_ON, NOTRACK, _PERHAPS}
        else:
            found.add(_ON)
        return found - {RETURN} | ({_ON} if RETURN in found else set())

    def _ends(self, action: str, target: str, sure: bool) -> set[str]:
        if action == JUMP:
            return self.chain(target, sure)
        if action == GOTO:
            found = self.chain(target, sure)
            return found - {_ON} | ({RETURN} if _ON in found else set())
        return {UNKNOWN, _ON} if action == UNKNOWN else {action}
