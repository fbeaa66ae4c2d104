"""Runs on a VM: holds connections to an echo service, and opens new ones, until it is told to end (SIGTERM).

Usage: python3 - ADDRESS PORT LIMIT. Holds 20 connections, over each of which a byte goes there and back every 50 ms,
and opens 20 a second, which have failed without a connection or without an answer within LIMIT seconds; no retry.
Prints a JSON object: of the held ones how many broke and the longest silence; of the new ones how many there were,
how many failed, and the time from the first to the last that did.
"""

import json
import signal
import socket
import sys
import threading
import time

ADDRESS = (sys.argv[1], int(sys.argv[2]))
HELD, EVERY, LIMIT = 20, 0.05, float(sys.argv[3])
# TCP sends again for longer than that; a connection that is silent for so long is as good as broken.
PATIENCE = 20.0
going = True
broken: list[str] = []
silences: list[float] = []
new: list[tuple[float, str]] = []


def end(_signal: int, _frame: object) -> None:
    global going
    going = False


def hold() -> None:
    longest = 0.0
    try:
        with socket.create_connection(ADDRESS, timeout=PATIENCE) as held:
            while going:
                before = time.monotonic()
                held.sendall(b"x")
                if not held.recv(1):
                    raise OSError("the other end has closed it")
                longest = max(longest, time.monotonic() - before)
                time.sleep(EVERY)
    except OSError as exc:
        broken.append(repr(exc))
    silences.append(longest)


def once(begun: float) -> None:
    said = ""
    try:
        with socket.create_connection(ADDRESS, timeout=LIMIT) as one:
            one.sendall(b"x")
            if one.recv(1) != b"x":
                said = "no answer"
    except OSError as exc:
        said = repr(exc)
    new.append((begun, said))


signal.signal(signal.SIGTERM, end)
threads = [threading.Thread(target=hold) for _number in range(HELD)]
for thread in threads:
    thread.start()
while going:
    threads.append(threading.Thread(target=once, args=(time.monotonic(),)))
    threads[-1].start()
    time.sleep(EVERY)
for thread in threads:
    thread.join(PATIENCE)
failed = sorted(begun for begun, said in new if said)
print(
    json.dumps(
        {
            "held": HELD,
            "broken": len(broken),
            "silence_s": round(max(silences), 2),
            "new": len(new),
            "failed": len(failed),
            "window_s": round(failed[-1] - failed[0], 2) if failed else 0.0,
            "said": sorted({*broken, *(said for _begun, said in new if said)}),
        }
    )
)
