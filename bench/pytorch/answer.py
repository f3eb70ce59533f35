# SPDX-License-Identifier: MIT
"""What a worker prints about a command: seconds, seconds of all cores, minor page faults, peak bytes of memory."""

import resource
import time


class Watch:
    def __init__(self):
        self.begin = time.perf_counter(), time.process_time()
        self.taken = None

    def stop(self):
        self.taken = time.perf_counter() - self.begin[0], time.process_time() - self.begin[1]

    def answer(self):
        if self.taken is None:
            self.stop()
        usage = resource.getrusage(resource.RUSAGE_SELF)
        print(f"{self.taken[0]:.6f} {self.taken[1]:.6f} {usage.ru_minflt} {usage.ru_maxrss * 1024}", flush=True)
