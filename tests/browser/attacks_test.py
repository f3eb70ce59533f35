# SPDX-License-Identifier: MIT
"""What a page of another site, open in the same browser, can do to the server: nothing. Each attack must neither change
what the server holds nor get a byte of it; three counter-tests show that a success would be seen."""

import http.server
import pathlib
import sys
import threading

sys.path.insert(0, str(pathlib.Path(__file__).parent.parent / "app"))
import serving  # noqa: E402
from support import SLOW, Case, dump, launched  # noqa: E402

REBOUND = "--host-resolver-rules=MAP evil.example 127.0.0.1, MAP * ~NOTFOUND, EXCLUDE 127.0.0.1"
WAIT = 700  # ms that an attack may take to have an effect
JOB = dump({"prompt": "not asked for", "steps": 1})
# Told apart from "nothing came back": these name what the browser or the server refused.
REFUSED = "refused"


class OtherSite(http.server.BaseHTTPRequestHandler):
    """An attacker's site: any address gives an empty page that lets everything in and everybody read."""

    def do_GET(self):
        self.send_response(200)
        self.send_header("Content-Type", "text/html; charset=utf-8")
        self.send_header("Access-Control-Allow-Origin", "*")
        self.end_headers()
        self.wfile.write(b"<!DOCTYPE html><title>other</title><body>readable")

    do_POST = do_GET

    def log_message(self, *ignored):
        pass


class Attacks(Case):
    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.site = http.server.ThreadingHTTPServer(("127.0.0.1", 0), OtherSite)
        threading.Thread(target=cls.site.serve_forever, daemon=True).start()
        cls.addClassCleanup(cls.site.shutdown)
        cls.other = f"http://127.0.0.1:{cls.site.server_port}"
        cls.victim = f"http://{cls.server.host}"
        cls.job = cls.server.wait(cls.server.job(steps=2, seed=1, mask=serving.mask_base64()))
        cls.image = cls.victim + cls.job["images"][0]["url"]

    def setUp(self):
        super().setUp()
        # A job runs, so that there is something to cancel.
        self.running = self.server.job(steps=SLOW, seed=2)
        self.context = self.browser.new_context()
        self.addCleanup(self.context.close)
        self.tab = self.context.new_page()
        self.tab.goto(self.other + "/")
        self.before = self.held()

    def held(self):
        """What may not change: the jobs, the evaluations, the model that is loaded."""
        jobs = self.server.ask("GET", "/v1/jobs?limit=100").json()["jobs"]
        kept = {job["id"]: job["state"] == "cancelled" for job in jobs}
        metrics = self.server.ask("GET", "/metrics").body.decode().splitlines()
        reloads = [line for line in metrics if "reload" in line and not line.startswith("#")]
        return dump([kept, self.server.ask("GET", "/v1/evaluations").json()["evaluations"], reloads])

    def attack(self, script, *arguments, tab=None):
        """The script gives what it could read, or nothing; no more is allowed to it."""
        found = (tab or self.tab).evaluate(
            f"""async ([victim, image, job, body, ...more]) => {{ const refused = "{REFUSED}";
              const text = async (r) => (r.type === "opaque" ? "" : await r.text());
              try {{ return await Promise.race([({script})(), new Promise((done) => setTimeout(done, {WAIT}))]) ?? ""; }}
              catch (error) {{ return refused; }} }}""",
            [self.victim, self.image, self.running["id"], JOB, *arguments])
        self.assertIn(found, ("", REFUSED))
        self.tab.wait_for_timeout(50)
        self.assertEqual(self.held(), self.before)
        return found

    def form(self, path, kind, name, value):
        """A form has no way to be refused by the browser: it is the server that must say no."""
        with self.context.expect_page() as opened:
            self.tab.evaluate("""([action, enctype, name, value]) => {
              const form = Object.assign(document.createElement("form"), {action, enctype, method: "post", target: "_blank"});
              const field = Object.assign(document.createElement("textarea"), {name, value});
              form.append(field); document.body.append(form); form.submit(); }""", [self.victim + path, kind, name, value])
        opened.value.wait_for_load_state()
        self.assertIn("forbidden_origin", opened.value.inner_text("body"))
        self.assertEqual(self.held(), self.before)

    # Sent, to change something.

    def test_01_form_urlencoded(self):
        self.form("/v1/jobs", "application/x-www-form-urlencoded", "prompt", "not asked for")

    def test_02_form_multipart(self):
        self.form("/v1/images/edits", "multipart/form-data", "prompt", "not asked for")

    def test_03_form_plain_text_with_json_inside(self):
        self.form("/v1/jobs", "text/plain", '{"prompt": "', '"}')

    def test_04_fetch_post_without_cors(self):
        self.attack("""async () => text(await fetch(victim + "/v1/jobs", {method: "POST", mode: "no-cors", body}))""")

    def test_05_fetch_post_with_cors(self):
        self.assertEqual(self.attack("""async () => text(await fetch(victim + "/v1/jobs", {method: "POST", body,
          headers: {"Content-Type": "application/json"}}))"""), REFUSED)

    def test_06_fetch_cancel_without_cors(self):
        self.attack("""async () => text(await fetch(`${victim}/v1/jobs/${job}/cancel`,
          {method: "POST", mode: "no-cors", body: "{}"}))""")

    def test_07_fetch_delete(self):
        self.assertEqual(self.attack("""async () => text(await fetch(image.replace(/\\/images.*/, ""),
          {method: "DELETE"}))"""), REFUSED)

    def test_08_reload_of_the_model(self):
        self.attack("""async () => text(await fetch(victim + "/v1/model/reload",
          {method: "POST", mode: "no-cors", body: "{}"}))""")

    def test_09_beacon(self):
        self.attack("""async () => { navigator.sendBeacon(victim + "/v1/jobs", new Blob([body], {type: "text/plain"})); }""")

    def test_10_keepalive_while_the_page_goes(self):
        self.tab.evaluate("""([victim, body]) => { addEventListener("pagehide", () => { fetch(victim + "/v1/jobs",
          {method: "POST", mode: "no-cors", keepalive: true, body}); }); }""", [self.victim, JOB])
        self.tab.goto(self.other + "/next")
        self.tab.wait_for_timeout(300)
        self.assertEqual(self.held(), self.before)

    # Asked for, to read something.

    def test_11_fetch_with_cors(self):
        self.assertEqual(self.attack("""async () => text(await fetch(victim + "/v1/jobs"))"""), REFUSED)

    def test_12_fetch_without_cors(self):
        self.attack("""async () => text(await fetch(victim + "/v1/jobs", {mode: "no-cors"}))""")

    def test_13_fetch_as_a_navigation(self):
        self.assertEqual(self.attack("""async () => text(await fetch(victim + "/v1/jobs", {mode: "navigate"}))"""), REFUSED)

    def test_14_xmlhttprequest(self):
        self.attack("""() => new Promise((done) => { const x = new XMLHttpRequest(); x.open("GET", victim + "/v1/jobs");
          x.onload = () => done(x.responseText); x.onerror = () => done(refused); x.send(); })""")

    def test_15_event_source(self):
        self.assertEqual(self.attack("""() => new Promise((done) => {
          const s = new EventSource(`${victim}/v1/jobs/${job}/events`);
          s.addEventListener("job", (e) => done(e.data)); s.onopen = () => done("open");
          s.onerror = () => { s.close(); done(refused); }; })"""), REFUSED)

    def test_16_web_socket(self):
        self.assertEqual(self.attack("""() => new Promise((done) => {
          const s = new WebSocket(victim.replace("http", "ws") + `/v1/jobs/${job}/events`);
          s.onopen = () => done("open"); s.onmessage = (e) => done(e.data); s.onerror = () => done(refused); })"""), REFUSED)

    def test_17_image_tag(self):
        self.assertEqual(self.attack("""() => new Promise((done) => { const i = new Image();
          i.onload = () => done(`${i.naturalWidth}`); i.onerror = () => done(refused); i.src = image; })"""), REFUSED)

    def test_18_image_with_cors_into_a_canvas(self):
        self.assertEqual(self.attack("""() => new Promise((done) => { const i = new Image(); i.crossOrigin = "anonymous";
          i.onload = () => { const c = document.createElement("canvas"); c.getContext("2d").drawImage(i, 0, 0);
            done(c.toDataURL()); }; i.onerror = () => done(refused); i.src = image; })"""), REFUSED)

    def test_19_script_tag(self):
        self.assertEqual(self.attack("""() => new Promise((done) => { const s = document.createElement("script");
          s.onload = () => done("ran"); s.onerror = () => done(refused); s.src = victim + "/v1/jobs";
          document.head.append(s); })"""), REFUSED)

    def test_20_module(self):
        self.assertEqual(self.attack("""async () => Object.keys(await import(victim + "/app/api.js")).join()"""), REFUSED)

    def test_21_style_sheet(self):
        self.assertEqual(self.attack("""() => new Promise((done) => { const l = document.createElement("link");
          l.rel = "stylesheet"; l.onload = () => done("styled"); l.onerror = () => done(refused);
          l.href = victim + "/app/app.css"; document.head.append(l); })"""), REFUSED)

    def framed(self, tag, attribute, path):
        self.attack("""() => new Promise((done) => { const [tag, attribute, path] = more;
          const f = document.createElement(tag); f[attribute] = victim + path; document.body.append(f);
          setTimeout(() => { try { done(f.contentDocument?.body.innerText); } catch { done(refused); } }, 500); })""",
                    tag, attribute, path)
        for frame in self.tab.frames[1:]:
            self.assertNotIn("medaug", frame.content())
            self.assertNotIn(self.job["id"], frame.content())

    def test_22_iframe_of_the_page(self):
        self.framed("iframe", "src", "/")

    def test_23_iframe_of_the_api(self):
        self.framed("iframe", "src", "/v1/jobs")

    def test_24_object(self):
        self.framed("object", "data", "/v1/jobs")

    def test_25_null_origin_of_a_sandboxed_frame(self):
        found = self.tab.evaluate("""([victim, body]) => new Promise((done) => {
          addEventListener("message", (e) => done(e.data));
          const f = document.createElement("iframe"); f.sandbox = "allow-scripts allow-forms";
          f.srcdoc = `<script>(async () => { const out = [location.origin, window.origin];
            for (const [path, options] of [["/v1/jobs", {}], ["/v1/jobs", {method: "POST", mode: "no-cors", body: ${
              JSON.stringify(JSON.stringify(JSON.parse(body)))}}], ["/v1/jobs", {method: "POST", body: "{}",
              headers: {"Content-Type": "application/json"}}]]) {
              try { const r = await fetch("${victim}" + path, options); out.push(r.type === "opaque" ? "" : await r.text()); }
              catch { out.push("refused"); } }
            parent.postMessage(out, "*"); })()</scr` + `ipt>`;
          document.body.append(f); })""", [self.victim, JOB])
        self.assertEqual(found[1], "null")
        self.assertTrue(all(text in ("", REFUSED) for text in found[2:]), found)
        self.assertEqual(self.held(), self.before)

    def test_26_opened_window(self):
        with self.context.expect_page() as opened:
            self.tab.evaluate("(victim) => { window.prey = window.open(victim + '/'); }", self.victim)
        opened.value.wait_for_load_state()
        self.assertEqual(opened.value.evaluate("window.opener"), None)  # Cross-Origin-Opener-Policy parts the two
        self.assertIn(self.attack("""async () => { if (prey.closed) { throw new Error(); }
          return prey.document.body.innerText; }"""), ("", REFUSED))

    def test_27_message_to_an_opened_window(self):
        with self.context.expect_page() as opened:
            self.tab.evaluate("(victim) => { window.prey = window.open(victim + '/'); }", self.victim)
        opened.value.wait_for_selector("html[data-started]")
        self.attack("""() => new Promise((done) => { addEventListener("message", (e) => done(JSON.stringify(e.data)));
          prey.postMessage({type: "generate", prompt: "not asked for"}, "*"); })""")

    def test_28_navigation_to_an_address_that_acts(self):
        for path in (f"/v1/jobs/{self.running['id']}/cancel", "/v1/model/reload", "/v1/evaluations/x"):
            self.tab.goto(self.other + "/")
            with self.context.expect_page() as opened:
                self.tab.evaluate("(to) => { window.open(to, '_blank', 'noopener'); }", self.victim + path)
            opened.value.wait_for_load_state()
            opened.value.close()
        self.assertEqual(self.held(), self.before)

    def test_29_worker_from_the_server(self):
        self.assertEqual(self.attack("""async () => { new Worker(victim + "/app/main.js"); return "runs"; }"""), REFUSED)

    # A name of the attacker's that now points at this machine: to the browser it is the attacker's own origin.

    def rebound(self, script, name="evil.example"):
        with launched(self.browser.browser_type, REBOUND) as browser:
            tab = browser.new_page()
            answer = tab.goto(f"http://{name}:{self.server.port}/")
            self.assertEqual(answer.status, 421)
            self.assertNotIn("checkpoint", tab.content())
            found = tab.evaluate(script, JOB)
        self.assertTrue(all("wrong_host" in text for text in found), found)
        self.assertEqual(self.held(), self.before)

    def test_30_rebinding_reads(self):
        self.rebound("""async () => Promise.all(["/v1/jobs", "/v1/capabilities", "/app/main.js", "/metrics", "/livez"]
          .map(async (path) => (await fetch(path)).text()))""")

    def test_31_rebinding_writes(self):
        self.rebound("""async (body) => Promise.all(["/v1/jobs", "/v1/model/reload", "/v1/images/generations"]
          .map(async (path) => (await fetch(path, {method: "POST", body,
            headers: {"Content-Type": "application/json"}})).text()))""")

    # The attacks can succeed: where they should, they do.

    def test_own_page_may(self):
        page = self.opened()
        answer = page.page.evaluate("""async (body) => (await fetch("/v1/jobs", {method: "POST", body,
          headers: {"Content-Type": "application/json"}})).status""", JOB)
        self.assertEqual(answer, 202)
        self.assertNotEqual(self.held(), self.before)

    def test_open_site_can_be_read(self):
        tab = self.context.new_page()
        tab.goto(self.victim + "/v1/capabilities")
        self.assertIn("readable", self.tab.evaluate("async (to) => (await fetch(to)).text()", self.other + "/x"))

    def test_image_of_its_own_shows(self):
        page = self.opened()
        self.assertEqual(page.page.evaluate("""(path) => new Promise((done) => { const i = new Image();
          i.onload = () => done(i.naturalWidth); i.onerror = () => done(0); i.src = path; })""", self.image), serving.SIDE)


if __name__ == "__main__":
    serving.main("attacks_test")
