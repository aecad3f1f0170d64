"""Runs a command at a terminal of its own, as a person would: waits for a text, then types, or sends a signal."""

import fcntl
import json
import os
import pty
import re
import select
import signal
import struct
import sys
import termios
import time

request = json.load(sys.stdin)
pid, master = pty.fork()
if pid == 0:
    if "columns" in request:
        size = struct.pack("HHHH", 24, request["columns"], 0, 0)
        fcntl.ioctl(0, termios.TIOCSWINSZ, size)
    os.execve(request["argv"][0], request["argv"], request["env"])

said = ""


def hear(seconds):
    """Takes what is said within a time; false at the end."""
    global said
    if not select.select([master], [], [], seconds)[0]:
        return True
    try:
        heard = os.read(master, 65536)
    except OSError:
        return False
    said += heard.decode("utf-8", "replace")
    return heard != b""


def fail(why):
    os.kill(pid, signal.SIGKILL)
    sys.exit(f"{why}; said so far:\n{said}")


seen = 0
deadline = time.monotonic() + request["seconds"]
for step in request["steps"]:
    while not (found := re.search(step["after"], said[seen:])):
        if time.monotonic() > deadline:
            fail(f"waited in vain for {step['after']}")
        if not hear(0.1) and not re.search(step["after"], said[seen:]):
            fail(f"ended before {step['after']}")
    seen += found.end()
    time.sleep(step.get("pause", 0))
    if "type" in step:
        os.write(master, step["type"].encode())
    if "signal" in step:
        os.kill(int(found[1]), signal.Signals[step["signal"]])
while hear(0.1):
    if time.monotonic() > deadline:
        fail("did not end")
print(json.dumps({"said": said, "status": os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])}))
