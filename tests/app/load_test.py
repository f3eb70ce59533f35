# SPDX-License-Identifier: MIT
"""How the server bears load: 64 clients, slow and idle clients, many cancels. What is asserted has room; bench/serve.py gives
the figures."""

import json
import socket
import threading
import time
import unittest

import serving
from serving import Server


class Slow(unittest.TestCase):
    def test_slow_and_idle_clients_keep_nobody_waiting(self):
        with Server() as server:
            done = server.wait(server.job(steps=1))
            slow = [server.connect() for _ in range(500)]
            stop = threading.Event()

            def drip():
                text = b"GET /livez HTTP/1.1\r\nHost: "
                at = 0
                while not stop.is_set() and at < len(text):
                    for connection in slow:
                        try:
                            connection.send(text[at:at + 1])
                        except OSError:
                            pass
                    at += 1
                    stop.wait(1)
            dripping = threading.Thread(target=drip)
            dripping.start()
            long_job = server.job(steps=1000, count=64)
            idle = []
            for _ in range(200):
                connection = server.connect()
                connection.sendall(f"GET /v1/jobs/{long_job['id']}/events HTTP/1.1\r\nHost: {server.host}\r\n\r\n".encode())
                idle.append(connection)
            times = []
            for _ in range(100):
                begin = time.time()
                self.assertEqual(server.ask("GET", "/livez").status, 200)
                times.append(time.time() - begin)
                time.sleep(0.02)
            self.assertLess(sorted(times)[98], 1.0)
            self.assertEqual(server.ask("GET", f"/v1/jobs/{done['id']}").status, 200)
            self.assertGreaterEqual(server.metric("medaug_http_streams"), 150)
            time.sleep(9)  # heads that are not whole after ten seconds are closed
            closed = 0
            for connection in slow:
                connection.settimeout(0.2)
                try:
                    closed += connection.recv(1) == b""
                except (ConnectionResetError, BrokenPipeError):
                    closed += 1
                except socket.timeout:
                    pass
                if closed > 450:
                    break
            stop.set()
            dripping.join()
            self.assertGreater(closed, 450)
            for connection in slow + idle:
                connection.close()
            server.ask("DELETE", f"/v1/jobs/{long_job['id']}")

    def test_a_body_that_does_not_come(self):
        with Server() as server, server.connect(timeout=60) as connection:
            connection.sendall(f"POST /v1/jobs HTTP/1.1\r\nHost: {server.host}\r\nContent-Type: application/json\r\n"
                               "Content-Length: 100\r\n\r\n{".encode())
            begin = time.time()
            self.assertEqual(connection.recv(1), b"")  # closed
            self.assertLess(time.time() - begin, 45)


class Load(unittest.TestCase):
    def test_64_clients_on_a_queue_of_32(self):
        with Server("--queue", "32") as server:
            end = time.time() + 10
            counts, refusals, lock = {}, [], threading.Lock()

            def client(number):
                while time.time() < end:
                    begin = time.time()
                    answer = server.ask("POST", "/v1/jobs", {"prompt": "x", "steps": 20, "seed": number})
                    if answer.status == 202:
                        word = server.wait(answer.json())["state"]
                    else:
                        word = answer.code
                        with lock:
                            refusals.append(time.time() - begin)
                        self.assertGreaterEqual(int(answer.headers["retry-after"]), 1)
                        time.sleep(0.05)
                    with lock:
                        counts[word] = counts.get(word, 0) + 1
            threads = [threading.Thread(target=client, args=(n,)) for n in range(64)]
            for thread in threads:
                thread.start()
            for thread in threads:
                thread.join()
            self.assertEqual(set(counts) - {"done", "queue_full"}, set(), counts)
            self.assertEqual(counts["done"], server.metric('medaug_jobs_finished_total{state="done"}'))

    def test_cancels_free_the_worker(self):
        with Server() as server:
            for i in range(40):
                job = server.job(steps=1000, count=16, seed=i)
                while server.state(job)["progress"]["step"] < 1:
                    time.sleep(0.002)
                server.ask("POST", f"/v1/jobs/{job['id']}/cancel", {})
                end = time.time() + 5
                while server.metric("medaug_jobs_running") != 0 and time.time() < end:
                    time.sleep(0.002)
                self.assertEqual(server.state(job)["state"], "cancelled")

    def test_memory_and_descriptors_stay_flat(self):
        import os
        with Server() as server:
            def work(n):
                for i in range(n):
                    server.wait(server.job(steps=1, seed=i))
                    server.ask("GET", "/v1/jobs?limit=20")

            def state():
                return (server.metric("process_resident_memory_bytes"), len(os.listdir(f"/proc/{server.process.pid}/fd")),
                        len(os.listdir(f"/proc/{server.process.pid}/task")))
            work(150)
            before = state()
            work(300)
            after = state()
            self.assertLess(after[0] - before[0], 5 << 20)
            self.assertLessEqual(after[1] - before[1], 2)
            self.assertEqual(after[2], before[2])

    def test_errors_are_json_whatever_comes(self):
        import random
        random.seed(5)
        with Server() as server:
            for _ in range(300):
                body = json.dumps({random.choice(["prompt", "seed", "steps", "mask", "x", "count"]):
                                   random.choice([None, -1, 1e300, "a" * 50, [], {}, True, "\ud7ff", 2**63])})
                answer = server.ask("POST", "/v1/jobs", body.encode(), {"Content-Type": "application/json"})
                self.assertIn(answer.status, (202, 400, 503))
                if answer.status != 202:
                    self.assertTrue(answer.json()["error"]["code"])


if __name__ == "__main__":
    serving.main("app_load_test")
