# SPDX-License-Identifier: MIT
"""The description of the API is true: the routes are those that answer, and Schemathesis finds no lie in 500 requests."""

import json
import os
import re
import subprocess
import sys
import unittest

import serving
from serving import Material, Server


class Description(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.server = Server("--segmenter", f"{Material.get()}/segmenter.safetensors", "--runs", f"{Material.get()}/runs",
                            "--root", f"{Material.get()}/phantom", "--queue", "200")
        cls.document = cls.server.ask("GET", "/openapi.json").json()

    @classmethod
    def tearDownClass(cls):
        assert cls.server.stop() == 0

    def test_every_route_answers_and_no_other_method(self):
        for path, operations in self.document["paths"].items():
            real = path.replace("{id}", "0" * 32).replace("{n}", "0")
            answer = self.server.ask("PATCH", real)
            self.assertEqual(answer.status, 405, path)
            self.assertEqual({word.lower() for word in answer.headers["allow"].split(", ")}, set(operations), path)

    def test_every_route_of_the_program_is_described(self):
        routes = set()
        folder = os.path.join(serving.SOURCE, "src", "app")
        for name in os.listdir(folder):
            if name.startswith("routes_") and not name.endswith("_test.cc"):
                with open(os.path.join(folder, name), encoding="utf-8") as file:
                    routes |= set(re.findall(r'"(/v1/[^"]*?)"', file.read()))
        routes = {route for route in routes if not route.endswith("/")}
        self.assertEqual(routes - set(self.document["paths"]), set())

    def test_schemathesis(self):
        config = os.path.join(self.server.history, "schemathesis.toml")
        with open(config, "w", encoding="utf-8") as file:
            file.write("")
        done = subprocess.run(
            [os.path.join(os.path.dirname(sys.executable), "schemathesis"), "--config-file", config, "run",
             f"http://{self.server.host}/openapi.json", "--max-examples", "20", "--seed", "7", "--phases",
             "examples,coverage,fuzzing", "--checks",
             "not_a_server_error,status_code_conformance,content_type_conformance,response_schema_conformance",
             "--exclude-path", "/v1/model/reload", "--request-timeout", "60"],
            capture_output=True, text=True, timeout=800, cwd=self.server.history)
        self.assertEqual(done.returncode, 0, done.stdout[-6000:] + done.stderr[-2000:])
        found = re.search(r"(\d[\d,]*) generated", done.stdout)
        self.assertTrue(found and int(found[1].replace(",", "")) >= 500, done.stdout[-1500:])


if __name__ == "__main__":
    serving.main("app_openapi_test")
