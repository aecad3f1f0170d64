"""Runs commands and tells what they cost; Node tells neither the CPU time nor the peak memory of one child.

One JSON object a line on standard input: {argv, env, at_once}. For each, one on standard output: {cost, outputs, codes}.
The cost is seconds by the wall clock until the last has ended, seconds of CPU of all, bytes of peak memory of the largest.
"""

import json
import os
import sys
import time


def run(argv, env, at_once):
    nothing = (os.POSIX_SPAWN_OPEN, 0, os.devnull, os.O_RDONLY, 0)
    # What is printed is a token: it fits into the pipe, which is read when the process has ended.
    pipes = [os.pipe() for _ in range(at_once)]
    begun = time.perf_counter()
    pids = [
        os.posix_spawnp(argv[0], argv, env, file_actions=[nothing, (os.POSIX_SPAWN_DUP2, writer, 1)])
        for _, writer in pipes
    ]
    ended = [os.wait4(pid, 0) for pid in pids]
    wall = time.perf_counter() - begun
    for _, writer in pipes:
        os.close(writer)
    outputs = [open(reader, encoding="utf-8").read() for reader, _ in pipes]
    usages = [usage for _, _, usage in ended]
    cost = {
        "wall": wall,
        "cpu": sum(usage.ru_utime + usage.ru_stime for usage in usages),
        "peak": max(usage.ru_maxrss for usage in usages) * 1024,
    }
    codes = [os.waitstatus_to_exitcode(status) for _, status, _ in ended]
    return {"cost": cost, "outputs": outputs, "codes": codes}


for line in sys.stdin:
    print(json.dumps(run(**json.loads(line))), flush=True)
