# SPDX-License-Identifier: MIT
"""Sixty requests that are wrong, hostile or odd, and what they get."""

import json
import time
import unittest

import serving
from serving import Server, mask_base64, png


class Requests(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.server = Server()

    @classmethod
    def tearDownClass(cls):
        status = cls.server.stop()
        assert status == 0, status

    def tearDown(self):
        self.assertEqual(self.server.ask("GET", "/livez").status, 200, "the server is gone")

    def raw(self, text, timeout=15):
        return self.server.raw_status(text.replace("HOST", self.server.host).encode("latin-1"), timeout)

    def post(self, body, **headers):
        return self.server.ask("POST", "/v1/jobs", body, {k.replace("_", "-"): v for k, v in headers.items()})

    def refused(self, answer, status, param=None, code=None):
        self.assertEqual(answer.status, status, answer.body)
        error = answer.json()["error"]
        self.assertTrue(error["message"])
        self.assertTrue(error["request_id"])
        if param:
            self.assertEqual(error["param"], param, error)
        if code:
            self.assertEqual(error["code"], code, error)
        return error

    # What is no HTTP

    def test_random_bytes(self):
        self.assertEqual(self.raw("\x13\x37\x00\xff\xfe\r\n\r\n"), 400)

    def test_tls_hello(self):
        self.assertIn(self.raw("\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03\r\n\r\n"), (0, 400))

    def test_http_0_9(self):
        self.assertEqual(self.raw("GET /\r\n\r\n"), 400)

    def test_http_2_preface(self):
        self.assertIn(self.raw("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"), (400, 505))

    def test_no_host(self):
        self.assertEqual(self.raw("GET /livez HTTP/1.1\r\n\r\n"), 400)

    def test_two_hosts(self):
        self.assertEqual(self.raw("GET /livez HTTP/1.1\r\nHost: HOST\r\nHost: HOST\r\n\r\n"), 400)

    def test_bare_line_feeds(self):
        self.assertIn(self.raw("GET /livez HTTP/1.1\nHost: HOST\n\n", timeout=1), (0, 400))

    def test_space_before_colon(self):
        self.assertEqual(self.raw("GET /livez HTTP/1.1\r\nHost : HOST\r\n\r\n"), 400)

    def test_two_lengths(self):
        self.assertEqual(self.raw("POST /v1/jobs HTTP/1.1\r\nHost: HOST\r\nContent-Type: application/json\r\n"
                                  "Content-Length: 2\r\nContent-Length: 3\r\n\r\n{}"), 400)

    def test_negative_length(self):
        self.assertEqual(self.raw("POST /v1/jobs HTTP/1.1\r\nHost: HOST\r\nContent-Type: application/json\r\n"
                                  "Content-Length: -1\r\n\r\n"), 400)

    def test_length_and_chunks(self):
        self.assertEqual(self.raw("POST /v1/jobs HTTP/1.1\r\nHost: HOST\r\nContent-Type: application/json\r\n"
                                  "Content-Length: 2\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n"), 400)

    def test_huge_length_is_refused_before_a_byte_is_read(self):
        self.assertEqual(self.raw("POST /v1/jobs HTTP/1.1\r\nHost: HOST\r\nContent-Type: application/json\r\n"
                                  "Content-Length: 1000000000000000000\r\n\r\n"), 413)

    def test_huge_chunk(self):
        self.assertIn(self.raw("POST /v1/jobs HTTP/1.1\r\nHost: HOST\r\nContent-Type: application/json\r\n"
                               "Transfer-Encoding: chunked\r\n\r\nffffffffffffffff\r\n"), (400, 413))

    def test_many_tiny_chunks(self):
        body = b"1\r\n \r\n" * 100000 + b"2\r\n{}\r\n0\r\n\r\n"
        head = (f"POST /v1/jobs HTTP/1.1\r\nHost: {self.server.host}\r\nContent-Type: application/json\r\n"
                "Transfer-Encoding: chunked\r\n\r\n").encode()
        self.assertIn(self.server.raw_status(head + body), (400, 413))

    def test_expect_with_too_much(self):
        self.assertIn(self.raw("POST /v1/jobs HTTP/1.1\r\nHost: HOST\r\nContent-Type: application/json\r\n"
                               "Expect: 100-continue\r\nContent-Length: 100000000\r\n\r\n"), (413, 417))

    def test_long_address(self):
        self.assertIn(self.raw("GET /" + "a" * 9000 + " HTTP/1.1\r\nHost: HOST\r\n\r\n"), (414, 431))

    def test_ten_thousand_headers(self):
        self.assertEqual(self.raw("GET /livez HTTP/1.1\r\nHost: HOST\r\n" + "A: b\r\n" * 10000 + "\r\n"), 431)

    def test_a_megabyte_of_header(self):
        self.assertEqual(self.raw("GET /livez HTTP/1.1\r\nHost: HOST\r\nA: " + "b" * (1 << 20) + "\r\n\r\n"), 431)

    def test_endless_header(self):
        self.assertEqual(self.raw("GET /livez HTTP/1.1\r\nHost: HOST\r\nA: " + "b" * 20000), 431)

    # Who asks

    def test_foreign_host(self):
        self.refused(self.server.ask("GET", "/", headers={"Host": f"evil.example:{self.server.port}"}), 421,
                     code="wrong_host")

    def test_another_port_in_host(self):
        self.refused(self.server.ask("GET", "/", headers={"Host": "127.0.0.1:1"}), 421)

    def test_null_origin(self):
        self.refused(self.post({"prompt": ""}, Origin="null"), 403, code="forbidden_origin")

    def test_foreign_origin(self):
        answer = self.post({"prompt": ""}, Origin="http://evil.example")
        self.refused(answer, 403)
        self.assertEqual(answer.headers["cross-origin-resource-policy"], "same-origin")

    def test_another_port_is_foreign(self):
        self.refused(self.post({"prompt": ""}, Origin="http://127.0.0.1:1"), 403)

    def test_own_origin(self):
        self.assertEqual(self.post({"prompt": "", "steps": 1}, Origin=f"http://{self.server.host}").status, 202)

    def test_cross_site_post(self):
        self.refused(self.post({"prompt": ""}, Sec_Fetch_Site="cross-site"), 403)

    def test_cross_site_picture(self):
        self.refused(self.server.ask("GET", "/v1/jobs", headers={"Sec-Fetch-Site": "cross-site",
                                                                 "Sec-Fetch-Mode": "no-cors"}), 403)

    def test_a_link_from_elsewhere_opens_the_page(self):
        answer = self.server.ask("GET", "/", headers={"Sec-Fetch-Site": "cross-site", "Sec-Fetch-Mode": "navigate",
                                                      "Sec-Fetch-Dest": "document"})
        self.assertEqual(answer.status, 200)
        self.assertIn(b"<html", answer.body)

    def test_foreign_preflight_allows_nothing(self):
        answer = self.server.ask("OPTIONS", "/v1/jobs", headers={"Origin": "http://evil.example",
                                                                 "Access-Control-Request-Method": "POST"})
        self.assertEqual(answer.status, 403)
        self.assertNotIn("access-control-allow-origin", answer.headers)

    # Where to

    def test_trace(self):
        self.assertIn(self.server.ask("TRACE", "/").status, (405, 501))

    def test_wrong_method_names_the_right_ones(self):
        answer = self.server.ask("PUT", "/v1/jobs")
        self.refused(answer, 405)
        self.assertEqual(answer.headers["allow"], "GET, POST")

    def test_unknown_address(self):
        self.refused(self.server.ask("GET", "/v1/nothing"), 404, code="not_found")

    def test_paths_that_climb(self):
        for path in ("/../etc/passwd", "/%2e%2e%2fetc/passwd", "/app/../../etc/passwd", "/%252e%252e%252f",
                     "/v1/jobs/../../etc/images/0.png", "/app/%2e%2e/%2e%2e/etc/passwd",
                     "/v1/jobs/" + "0" * 32 + "/images/..%2f..%2f0.png"):
            with self.subTest(path):
                self.assertEqual(self.server.ask("GET", path).status, 404)

    def test_nul_in_the_path(self):
        self.assertEqual(self.server.ask("GET", "/%00").status, 400)

    def test_overlapping_ranges_are_not_served(self):
        ranges = "bytes=" + ",".join("0-100" for _ in range(1000))
        answer = self.server.ask("GET", "/", headers={"Range": ranges})
        self.assertEqual(answer.status, 200)  # ranges are not offered: the whole, once
        self.assertLess(len(answer.body), 100_000)

    # What kind of body

    def test_compressed_body(self):
        self.refused(self.post(b"\x1f\x8b", Content_Type="application/json", Content_Encoding="gzip"), 415)

    def test_no_type(self):
        self.refused(self.post(b"{}"), 415)

    def test_json_as_text(self):
        self.refused(self.post(b"{}", Content_Type="text/plain"), 415)

    def test_simple_form(self):
        self.refused(self.post(b"prompt=a", Content_Type="application/x-www-form-urlencoded"), 415)

    def test_a_body_where_none_belongs(self):
        self.refused(self.server.ask("GET", "/v1/jobs", b"{}", {"Content-Type": "application/json"}), 400)

    # Forms

    def form(self, body, kind="multipart/form-data; boundary=b"):
        return self.server.ask("POST", "/v1/images/edits", body, {"Content-Type": kind})

    def test_forms(self):
        part = b'--b\r\nContent-Disposition: form-data; name="%s"%s\r\n\r\n%s\r\n'
        cases = {
            "no boundary": ("multipart/form-data", b"x", 400),
            "long boundary": ("multipart/form-data; boundary=" + "b" * 10000, b"x", 400),
            "no end": (None, part % (b"prompt", b"", b"x"), 400),
            "nested": (None, b'--b\r\nContent-Disposition: form-data; name="a"\r\nContent-Type: multipart/mixed\r\n\r\n'
                             b"x\r\n--b--", 400),
            "long file name": (None, part % (b"image", b'; filename="' + b"a" * 500_000 + b'"', b"x") + b"--b--", 413),
            "a thousand parts": (None, b"".join(part % (b"a%d" % i, b"", b"") for i in range(1000)) + b"--b--", 413),
            "unknown field": (None, part % (b"promt", b"", b"x") + part % (b"prompt", b"", b"x") + b"--b--", 400),
            "no image": (None, part % (b"prompt", b"", b"x") + b"--b--", 400),
        }
        for name, (kind, body, status) in cases.items():
            with self.subTest(name):
                self.refused(self.form(body, kind or "multipart/form-data; boundary=b"), status)

    # JSON

    def test_broken_json_says_where(self):
        error = self.refused(self.post(b'{"prompt": }', Content_Type="application/json"), 400)
        self.assertIn("JSON", error["message"])

    def test_deep_json(self):
        self.refused(self.post(b"[" * 100000, Content_Type="application/json"), 400)

    def test_repeated_key(self):
        self.refused(self.post(b'{"prompt": "a", "prompt": "b"}', Content_Type="application/json"), 400)

    def test_nan_is_no_json(self):
        self.refused(self.post(b'{"prompt": "a", "guidance": NaN}', Content_Type="application/json"), 400)

    def test_unknown_field_gets_a_near_name(self):
        error = self.refused(self.post({"promt": "a", "prompt": "b"}), 400, "promt", "unknown_field")
        self.assertIn("prompt", error["hint"])

    def test_wrong_values(self):
        for field, values in {"prompt": [1, ["a"], {}], "count": [0, -1, 65, 1e9, "two", True], "steps": [0, 1e6, 1.5],
                              "guidance": [-1, 1e308, "a"], "seed": [2**64, -2, "abc", 1.5], "width": [0, 7, 10**9],
                              "solver": ["eular", 1], "mask": ["not base64!", 5, ""]}.items():
            for value in values:
                if field == "mask" and value == "":
                    continue  # no mask
                with self.subTest(field=field, value=value):
                    self.refused(self.post({"prompt": "a", **{field: value}}), 400, field)

    def test_prompt_is_needed(self):
        self.refused(self.post({}), 400, "prompt")

    def test_empty_prompt_is_fine(self):
        self.assertEqual(self.post({"prompt": "", "steps": 1}).status, 202)

    def test_long_prompt(self):
        self.refused(self.post({"prompt": "a" * (1 << 20)}), 413, "prompt")

    def test_control_characters_in_the_prompt(self):
        self.assertIn(self.post({"prompt": "a\u0007b"}).status, (202, 400))  # normalised away or refused

    def test_sizes_that_do_not_divide(self):
        self.refused(self.post({"prompt": "a", "width": serving.SIDE + 1, "height": serving.SIDE}), 400, "size")

    def test_an_address_is_not_fetched(self):
        error = self.refused(self.post({"prompt": "a", "mask": "http://127.0.0.1/mask.png"}), 400, "mask")
        self.assertIn("not fetched", error["message"])

    def test_masks(self):
        import base64
        whole = png(serving.label_map())
        cases = {"text": b"hello", "cut": whole[:60], "html": b"<html>", "wrong label": png(serving.label_map(7)),
                 "bomb": b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR\x7f\xff\xff\xff\x7f\xff\xff\xff\x08\0\0\0\0" + b"\0" * 20}
        for name, data in cases.items():
            with self.subTest(name):
                self.refused(self.post({"prompt": "a", "mask": base64.b64encode(data).decode()}), 400, "mask")

    def test_region_and_image_belong_together(self):
        self.refused(self.post({"prompt": "a", "region": mask_base64()}), 400, "init_image")

    def test_jobs_that_are_not_there(self):
        for path in ("", "/events", "/images/0.png", "/mask.png", "/archive.zip"):
            with self.subTest(path):
                self.assertEqual(self.server.ask("GET", "/v1/jobs/" + "0" * 32 + path).status, 404)
        self.assertEqual(self.server.ask("DELETE", "/v1/jobs/" + "0" * 32).status, 404)
        self.assertEqual(self.server.ask("POST", "/v1/jobs/" + "0" * 32 + "/cancel", {}).status, 404)

    def test_settings_of_a_foreign_picture(self):
        answer = self.server.ask("POST", "/v1/settings", png(serving.label_map()), {"Content-Type": "image/png"})
        self.refused(answer, 400, code="no_settings")
        self.refused(self.server.ask("POST", "/v1/settings", b"hello", {"Content-Type": "image/png"}), 400)

    def test_headers_of_the_page(self):
        answer = self.server.ask("GET", "/")
        self.assertEqual(answer.headers["content-security-policy"],
                         "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' blob: data:; "
                         "font-src 'self'; connect-src 'self'; form-action 'self'; base-uri 'none'; "
                         "frame-ancestors 'none'; object-src 'none'")
        for name, value in {"x-content-type-options": "nosniff", "referrer-policy": "no-referrer",
                            "cross-origin-opener-policy": "same-origin",
                            "cross-origin-resource-policy": "same-origin"}.items():
            self.assertEqual(answer.headers[name], value)
        self.assertEqual(self.server.ask("GET", "/v1/jobs").headers["cache-control"], "no-store")

    def test_head_has_the_length_and_no_body(self):
        answer = self.server.ask("HEAD", "/")
        self.assertEqual((answer.status, answer.body), (200, b""))
        self.assertGreater(int(answer.headers["content-length"]), 100)

    def test_two_requests_in_one_packet(self):
        one = f"GET /livez HTTP/1.1\r\nHost: {self.server.host}\r\n\r\n".encode()
        with self.server.connect() as connection:
            connection.sendall(one + one)
            got = b""
            end = time.time() + 5
            while got.count(b"HTTP/1.1 200") < 2 and time.time() < end:
                got += connection.recv(4096)
        self.assertEqual(got.count(b"HTTP/1.1 200"), 2)


class Tokens(unittest.TestCase):
    TOKEN = "0123456789abcdef0123456789abcdef"

    def test_a_token_is_wanted_and_guessing_ends(self):
        with Server(environment={"MEDAUG_TOKEN": self.TOKEN}) as server:
            right = {"Authorization": "Bearer " + self.TOKEN}
            self.assertEqual(server.ask("GET", "/v1/jobs").status, 401)
            self.assertEqual(server.ask("GET", "/v1/jobs").headers["www-authenticate"], "Bearer")
            self.assertEqual(server.ask("GET", "/v1/jobs", headers=right).status, 200)
            self.assertEqual(server.ask("GET", "/").status, 200)  # the page asks for it
            self.assertEqual(server.ask("GET", "/livez").status, 200)
            self.assertEqual(server.ask("GET", "/v1/nothing").status, 401)
            wrong = [server.ask("GET", "/v1/jobs", headers={"Authorization": f"Bearer {i:032}"}).status
                     for i in range(30)]
            self.assertEqual(wrong[:10], [401] * 10)
            self.assertEqual(set(wrong[11:]), {429})
            self.assertNotIn(self.TOKEN, open(f"/proc/{server.process.pid}/cmdline").read())
            server.log.flush()
            self.assertNotIn(self.TOKEN, open(server.log.name).read())

    def test_a_ticket_opens_one_report_once(self):
        with Server("--root", f"{serving.Material.get()}/phantom",
                    environment={"MEDAUG_TOKEN": self.TOKEN}) as server:
            right = {"Authorization": "Bearer " + self.TOKEN}
            sources = server.ask("GET", "/v1/evaluation/sources", headers=right).json()["sources"]
            source = next(one["id"] for one in sources if one["name"] == "val.jsonl")
            wanted = {"generated": source, "reference": source}
            url = "/v1/evaluations/" + server.ask("POST", "/v1/evaluations", wanted, headers=right).json()["id"]
            end = time.time() + 120
            while server.ask("GET", url, headers=right).json()["state"] != "done" and time.time() < end:
                time.sleep(0.1)
            self.assertEqual(server.ask("POST", url + "/ticket").status, 401)
            ticket = server.ask("POST", url + "/ticket", headers=right)
            self.assertEqual(ticket.status, 201, ticket.body)
            opens = ticket.json()["url"]
            query = opens.split("?")[1]
            self.assertEqual(server.ask("GET", url + "/result?" + query).status, 401)
            self.assertEqual(server.ask("GET", "/v1/jobs?" + query).status, 401)
            self.assertIn(b"<html", server.ask("GET", opens).body)
            self.assertEqual(server.ask("GET", opens).status, 401)
            self.assertEqual(server.ask("GET", url + "/report?ticket=" + "0" * 64).status, 401)

    def test_others_are_let_in_with_a_token_only(self):
        import subprocess
        for arguments, environment in ((["--host", "0.0.0.0"], {}), (["--host", "0.0.0.0"], {"MEDAUG_TOKEN": "short"})):
            done = subprocess.run([serving.MEDAUG, "serve", "--checkpoint", "x", *arguments], capture_output=True,
                                  text=True, env={**serving.os.environ, **environment})
            self.assertEqual(done.returncode, 3, done.stderr)
            self.assertIn("token", done.stderr)


if __name__ == "__main__":
    serving.main("app_http_test")
