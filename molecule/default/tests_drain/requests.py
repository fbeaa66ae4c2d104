"""Runs on a VM: asks the virtual IP for a page again and again, a new connection each time, until
it is told to end (SIGTERM).

Usage: python3 - ADDRESS PORT PATH. Prints a JSON object: the number of answers, and every failure with its text.
"""

import http.client
import json
import signal
import sys
import time

ADDRESS, PORT, PATH = sys.argv[1], int(sys.argv[2]), sys.argv[3]
going = True


def end(_signal: int, _frame: object) -> None:
    global going
    going = False


def ask() -> None:
    connection = http.client.HTTPConnection(ADDRESS, PORT, timeout=5)
    try:
        connection.request("GET", PATH)
        answer = connection.getresponse()
        answer.read()
        if answer.status != 200:
            raise OSError(f"status {answer.status}")
    finally:
        connection.close()


signal.signal(signal.SIGTERM, end)
answers, failures = 0, []
while going:
    try:
        ask()
        answers += 1
    except (OSError, http.client.HTTPException) as exc:
        failures.append(f"after {answers} answers: {exc!r}")
    # Some hundred requests a second would keep the lab's two cores from everything else.
    time.sleep(0.02)
print(json.dumps({"answers": answers, "failures": failures}))
