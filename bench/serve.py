# SPDX-License-Identifier: MIT
"""Figures of `medaug serve`: throughput with 1, 8 and 64 clients, refusals, cancels, previews, slow clients, start.

    serve.py PROGRAM CHECKPOINT [--seconds 20] [--json FILE]

Rates that are compared are taken in turns. Needs nothing but Python."""

import argparse
import http.client
import json
import os
import signal
import statistics
import subprocess
import tempfile
import threading
import time


class Server:
    def __init__(self, program, checkpoint, *arguments, history=None):
        self.history = history or tempfile.mkdtemp(prefix="medaug_bench_")
        begin = time.time()
        self.process = subprocess.Popen([program, "serve", "--checkpoint", checkpoint, "--port", "0", "--json", "--quiet",
                                         "--log-level", "error", "--history", self.history, *arguments],
                                        stdout=subprocess.PIPE, text=True)
        self.port = json.loads(self.process.stdout.readline())["port"]
        self.ready_seconds = time.time() - begin
        self.local = threading.local()

    def ask(self, method, path, body=None):
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=120)
        headers = {"Content-Type": "application/json"} if body is not None else {}
        connection.request(method, path, None if body is None else json.dumps(body), headers)
        answer = connection.getresponse()
        data = answer.read()
        connection.close()
        self.local.retry_after = float(answer.headers.get("Retry-After", 0))
        return answer.status, data

    def job(self, **fields):
        status, data = self.ask("POST", "/v1/jobs", {"prompt": "bench", **fields})
        return json.loads(data) if status == 202 else None

    def state(self, job):
        return json.loads(self.ask("GET", f"/v1/jobs/{job['id']}")[1])

    def wait(self, job, every=0.01):
        while True:
            found = self.state(job)
            if found["state"] not in ("queued", "running"):
                return found
            time.sleep(every)

    def metric(self, name):
        text = self.ask("GET", "/metrics")[1].decode()
        return next(float(line.rsplit(" ", 1)[1]) for line in text.splitlines() if line.startswith(name + " "))

    def stop(self):
        self.process.send_signal(signal.SIGTERM)
        self.process.wait()


def throughput(server, clients, seconds):
    """Images a second of closed-loop clients, refusals' times in seconds, and what became of the requests. A refused client
    comes back when it was told to. Clients share the machine: many of them look for their job less often."""
    every = 0.01 if clients <= 8 else 0.05
    end = time.time() + seconds
    words, refusals, lock = {}, [], threading.Lock()

    def client(number):
        seed = number * 10000
        while time.time() < end:
            begin = time.time()
            job = server.job(seed=seed)
            seed += 1
            word = server.wait(job, every)["state"] if job else "refused"
            with lock:
                words[word] = words.get(word, 0) + 1
                if not job:
                    refusals.append(time.time() - begin)
            if not job:
                time.sleep(server.local.retry_after)
    before = server.metric("medaug_images_total")
    begin = time.time()
    threads = [threading.Thread(target=client, args=(n,)) for n in range(clients)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return (server.metric("medaug_images_total") - before) / (time.time() - begin), refusals, words


def percentile(values, q):
    values = sorted(values)
    return values[min(len(values) - 1, int(q * len(values)))] if values else None


def cancels(server, count):
    """Seconds from the request to a free worker, and seconds of a step."""
    times, steps = [], []
    for i in range(count):
        job = server.job(steps=1000, count=16, seed=i)
        while server.state(job)["progress"]["step"] < 1:
            time.sleep(0.005)
        begin, first = time.time(), server.state(job)["progress"]["step"]
        time.sleep(0.3)
        steps.append((time.time() - begin) / max(1, server.state(job)["progress"]["step"] - first))
        begin = time.time()
        server.ask("POST", f"/v1/jobs/{job['id']}/cancel", {})
        while server.metric("medaug_jobs_running") != 0:
            time.sleep(0.002)
        times.append(time.time() - begin)
    return times, steps


def with_previews(server, on, jobs):
    """Seconds of jobs, with somebody who follows each or with nobody."""
    begin = time.time()
    for i in range(jobs):
        job = server.job(seed=i, count=8, steps=20)
        if on:
            connection = http.client.HTTPConnection("127.0.0.1", server.port)
            connection.request("GET", f"/v1/jobs/{job['id']}/events")
            connection.getresponse().read()
            connection.close()
        server.wait(job)
    return time.time() - begin


def slow_clients(server):
    """p99 of /livez in seconds with 500 connections that send a byte a second and 200 idle event streams."""
    import socket
    job = server.job(steps=1000, count=64)
    slow = [socket.create_connection(("127.0.0.1", server.port)) for _ in range(500)]
    idle = [socket.create_connection(("127.0.0.1", server.port)) for _ in range(200)]
    for connection in idle:
        connection.sendall(f"GET /v1/jobs/{job['id']}/events HTTP/1.1\r\nHost: 127.0.0.1:{server.port}\r\n\r\n".encode())
    for connection in slow:
        connection.send(b"G")
    times = []
    for _ in range(300):
        begin = time.time()
        server.ask("GET", "/livez")
        times.append(time.time() - begin)
    server.ask("DELETE", f"/v1/jobs/{job['id']}")
    for connection in slow + idle:
        connection.close()
    return percentile(times, 0.99)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("program")
    parser.add_argument("checkpoint")
    parser.add_argument("--seconds", type=float, default=20)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--cancels", type=int, default=200)
    parser.add_argument("--throughput-only", action="store_true")
    parser.add_argument("--json")
    options = parser.parse_args()
    found = {"cores": os.cpu_count()}
    server = Server(options.program, options.checkpoint, "--queue", "32")
    found["ready_seconds"] = server.ready_seconds
    server.wait(server.job())
    rates = {1: [], 8: [], 64: []}
    refusals, words = [], {}
    for _ in range(options.rounds):
        for clients in rates:
            rate, refused, became = throughput(server, clients, options.seconds)
            rates[clients].append(rate)
            if clients == 64:
                refusals += refused
                words = {key: words.get(key, 0) + became.get(key, 0) for key in {*words, *became}}
    found["images_a_second"] = {clients: statistics.median(values) for clients, values in rates.items()}
    found["64_clients"] = {"became": words, "refusal_p99_seconds": percentile(refusals, 0.99)}
    if options.throughput_only:
        server.stop()
        print(json.dumps(found, indent=1))
        return
    times = {True: [], False: []}
    for _ in range(options.rounds):
        for on in (False, True):
            times[on].append(with_previews(server, on, 6))
    found["preview_cost"] = statistics.median(times[True]) / statistics.median(times[False]) - 1
    stops, steps = cancels(server, options.cancels)
    found["cancel"] = {"count": len(stops), "largest_seconds": max(stops), "median_seconds": statistics.median(stops),
                       "median_step_seconds": statistics.median(steps),
                       "within_a_step_and_100_ms": sum(t <= s + 0.1 for t, s in zip(stops, steps))}
    found["livez_p99_seconds_with_slow_clients"] = slow_clients(server)
    server.stop()
    print(json.dumps(found, indent=1))
    if options.json:
        with open(options.json, "w") as file:
            json.dump(found, file, indent=1)


if __name__ == "__main__":
    main()
