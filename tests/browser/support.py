# SPDX-License-Identifier: MIT
"""What the browser tests share: Chromium, a page that remembers every fault, a hand that paints, small readers.

Two variables of the environment besides those of tests/app/serving.py:
CHROMIUM   the browser, where it is not in the path;
PAGE_DIR   a folder with the page's files (src/app/web) to use instead of those built into the program: a change can
           then be tried without a build."""

import base64
import contextlib
import functools
import importlib.util
import json
import mimetypes
import os
import pathlib
import shutil
import struct
import sys
import time
import unittest
import zlib

sys.path.insert(0, str(pathlib.Path(__file__).parent.parent / "app"))
from playwright.sync_api import sync_playwright  # noqa: E402

from serving import SIDE, Material, Server, png  # noqa: E402,F401

LOOKS = [(language, theme) for language in ("en", "zh") for theme in ("light", "dark")]
LOCALES = {"en": "en-US", "zh": "zh-CN"}
VIEWS = ("generate", "compare", "history", "evaluate", "training")
LABELS = (1, 2)  # of the tiny model's classes
SLOW = 600  # steps of a job that lasts long enough (5 s) to be looked at while it runs

# Nothing but this machine has an address: what the page needs, it must get from its server.
OFFLINE = "--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE 127.0.0.1"
QUIET = ["--no-sandbox", "--disable-background-networking", "--disable-component-update", "--no-first-run"]

WATCH = """
window.__faults = [];
addEventListener("securitypolicyviolation", (e) =>
  __faults.push(`csp ${e.violatedDirective} ${e.blockedURI} ${e.sample}`));
addEventListener("unhandledrejection", (e) => __faults.push(`rejection ${e.reason?.stack ?? e.reason}`));
"""

AXE_TAGS = ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa"]
AXE_RUN = """(tags) => axe.run(document, {runOnly: tags}).then(({violations}) => violations.map(({id, nodes}) =>
  `${id}: ` + nodes.slice(0, 4).map((n) =>
    `${n.target} ${n.failureSummary.split("\\n").slice(1, 3).join(" ")}`).join(" | ")))"""

DROP = """([selector, name, data]) => {
  const bytes = Uint8Array.from(atob(data), (c) => c.charCodeAt(0));
  const transfer = new DataTransfer();
  transfer.items.add(new File([bytes], name, {type: "image/png"}));
  for (const type of ["dragenter", "dragover", "drop"]) {
    document.querySelector(selector).dispatchEvent(
      new DragEvent(type, {dataTransfer: transfer, bubbles: true, cancelable: true}));
  }
}"""


@functools.cache
def axe_source():
    folder = pathlib.Path(importlib.util.find_spec("axe_playwright_python").origin).parent
    return (folder / "axe.min.js").read_text()


def chromium_path():
    for name in (os.environ.get("CHROMIUM"), "chromium", "google-chrome", "chromium-browser"):
        if name and shutil.which(name):
            return shutil.which(name)
    raise FileNotFoundError("no chromium; CHROMIUM can name it")


@contextlib.contextmanager
def launched(kind, rules):
    browser = kind.launch(executable_path=chromium_path(), args=[*QUIET, rules])
    try:
        yield browser
    finally:
        browser.close()


@contextlib.contextmanager
def chromium(rules=OFFLINE):
    with sync_playwright() as playwright, launched(playwright.chromium, rules) as browser:
        yield browser


class Page:
    """A browser of its own (cookies, storage) with a tab; every fault that shows in it is kept until check()."""

    def __init__(self, browser, server, language="en", theme="light", **options):
        options = {"locale": LOCALES[language], "color_scheme": theme, "viewport": {"width": 1280, "height": 900}, **options}
        self.context = browser.new_context(**options)
        self.context.add_init_script(WATCH)
        self.url = f"http://{server.host}"
        self.server = server
        self.faults = []
        self.allowed = []
        self.context.on("request", lambda r: r.url.startswith((self.url + "/", "blob:", "data:")) or
                        self.faults.append(f"request to another origin: {r.url}"))
        if os.environ.get("PAGE_DIR"):
            self.context.route(f"{self.url}/**", self._from_folder)
        self.tab()

    def _from_folder(self, route):
        path = route.request.url[len(self.url):].split("?")[0].split("#")[0]
        file = pathlib.Path(os.environ["PAGE_DIR"]) / ("index.html" if path == "/" else path.removeprefix("/app/"))
        if not file.is_file() or not (path == "/" or path.startswith("/app/")):
            return route.continue_()
        headers = self.server.ask("GET", "/").headers
        headers = {name: headers[name] for name in headers if name not in ("content-length", "etag", "content-type")}
        kind = "text/javascript" if file.suffix == ".js" else mimetypes.guess_type(file.name)[0]
        return route.fulfill(body=file.read_bytes(), headers={**headers, "content-type": kind + "; charset=utf-8"})

    def tab(self):
        self.page = self.context.new_page()
        self.page.set_default_timeout(20000)
        self.page.on("console", lambda m: m.type in ("error", "warning") and self.faults.append(f"{m.type}: {m.text}"))
        self.page.on("pageerror", lambda e: self.faults.append(f"error on the page: {e}"))
        return self.page

    def open(self, path="/?strict=1"):
        self.page.goto(self.url + path)
        return self.ready()

    def reload(self):
        self.page.reload()
        return self.ready()

    def ready(self):
        self.page.wait_for_selector("html[data-started]")
        return self.page

    def view(self, name):
        self.page.click(f"#tab-{name}")
        self.page.wait_for_selector(f"#panel-{name}:not([hidden])")

    def fold(self, selector="#knobs-fold"):
        self.page.evaluate("(s) => document.querySelectorAll(s).forEach((d) => { d.open = true; })", selector)

    def settings(self, **fields):
        self.fold()
        for name, value in fields.items():
            if name == "solver":
                self.page.select_option("#f-solver", value)
            else:
                self.page.fill(f"#f-{name}", str(value))

    def generate(self, wait=".result", **fields):
        self.settings(**{"count": 1, "steps": 2, **fields})
        self.page.click("#generate")
        self.page.wait_for_selector(wait)

    def until(self, expression, timeout=20):
        """Asks again and again from outside: Playwright's own wait_for_function needs eval, which the page forbids."""
        end = time.time() + timeout
        while not self.page.evaluate(expression):
            if time.time() > end:
                raise AssertionError(f"not within {timeout} s: {expression}")
            time.sleep(0.03)

    def labels(self):
        return bytes(self.page.evaluate("Array.from(medaugEditor.labels())"))

    def key(self, name):
        self.page.evaluate("document.activeElement.blur()")
        self.page.keyboard.press(name)

    def drop(self, selector, name, data):
        self.page.evaluate(DROP, [selector, name, base64.b64encode(data).decode()])

    def axe(self, where):
        self.page.evaluate(axe_source() + ";0")
        self.faults += [f"axe, {where}: {text}" for text in self.page.evaluate(AXE_RUN, AXE_TAGS)]

    def collect(self):
        for page in self.context.pages:
            if not page.is_closed() and page.url.startswith(self.url):
                self.faults += page.evaluate("window.__faults?.splice(0) ?? []")
        found = [fault for fault in self.faults if not any(part in fault for part in self.allowed)]
        self.faults.clear()
        return found

    def close(self):
        self.context.close()


class Case(unittest.TestCase):
    """A class of tests has a browser and a server; a test has pages, whose faults it answers for."""

    arguments = ()

    @classmethod
    def setUpClass(cls):
        cls.browser = cls.enterClassContext(chromium())
        folder = Material.get()
        cls.server = cls.enterClassContext(Server(
            "--segmenter", f"{folder}/segmenter.safetensors", "--runs", f"{folder}/runs", "--root", f"{folder}/phantom",
            *cls.arguments))

    def setUp(self):
        self.pages = []

    def page(self, language="en", theme="light", server=None, **options):
        self.pages.append(Page(self.browser, server or self.server, language, theme, **options))
        return self.pages[-1]

    def opened(self, *arguments, **options):
        page = self.page(*arguments, **options)
        page.open()
        return page

    def tearDown(self):
        faults = []
        for page in self.pages:
            faults += page.collect()
            page.close()
        # A page finds jobs of others that still run: none may be left for the next test.
        if self.server.process.poll() is None:
            for job in self.server.ask("GET", "/v1/jobs?limit=50").json()["jobs"]:
                if job["state"] in ("queued", "running"):
                    self.server.ask("POST", f"/v1/jobs/{job['id']}/cancel", {})
                    self.server.wait(job)
        self.assertEqual(faults, [])


def in_every_look(case):
    """For each method look_NAME(self, language, theme) four tests."""
    for name, method in list(vars(case).items()):
        if name.startswith("look_"):
            for language, theme in LOOKS:
                def test(self, method=method, language=language, theme=theme):
                    method(self, language, theme)
                setattr(case, f"test_{name[5:]}_{language}_{theme}", test)
    return case


def grey(data):
    """Width, height and the bytes of an 8-bit grey PNG."""
    at, packed, head = 8, b"", None
    while at < len(data):
        size, kind = struct.unpack(">I4s", data[at:at + 8])
        body = data[at + 8:at + 8 + size]
        head = struct.unpack(">IIBBBBB", body) if kind == b"IHDR" else head
        packed += body if kind == b"IDAT" else b""
        at += size + 12
    width, height = head[:2]
    assert head[2:] == (8, 0, 0, 0, 0), head
    raw, out, above = zlib.decompress(packed), bytearray(), bytes(width)
    for y in range(height):
        kind, line = raw[y * (width + 1)], bytearray(raw[y * (width + 1) + 1:(y + 1) * (width + 1)])
        for x in range(width):
            a, b, c = line[x - 1] if x else 0, above[x], above[x - 1] if x else 0
            nearest = min((abs(b - c), 0, a), (abs(a - c), 1, b), (abs(a + b - 2 * c), 2, c))[2]
            line[x] = (line[x] + (0, a, b, (a + b) // 2, nearest)[kind]) & 255
        out += line
        above = bytes(line)
    return width, height, bytes(out)


def newest(server):
    return server.ask("GET", "/v1/jobs?limit=1").json()["jobs"][0]


def mask_at_server(server, job):
    answer = server.ask("GET", f"/v1/jobs/{job['id']}/mask.png")
    assert answer.status == 200, answer.body
    return grey(answer.body)


def rows_of(labels, side=SIDE):
    return [list(labels[y * side:(y + 1) * side]) for y in range(side)]


def dump(value):
    return json.dumps(value, sort_keys=True)
