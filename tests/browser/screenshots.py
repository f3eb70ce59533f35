# SPDX-License-Identifier: MIT
"""Pictures of every view of a running server, to look at: screenshots.py ADDRESS FOLDER [LOOK...]

A LOOK is SCREEN-LANGUAGE-THEME of desktop or phone, en or zh, light or dark; without any: all eight. With PAGE_DIR the page
comes from there (support.py)."""

import http.client
import itertools
import pathlib
import sys
import urllib.parse

from support import Page, chromium

SCREENS = {"desktop": {"viewport": {"width": 1280, "height": 900}},
           "phone": {"viewport": {"width": 390, "height": 844}, "has_touch": True, "device_scale_factor": 2}}
LESION = [(0.36, 0.34), (0.44, 0.27), (0.56, 0.29), (0.66, 0.36), (0.7, 0.5), (0.62, 0.62), (0.5, 0.7), (0.38, 0.63),
          (0.31, 0.52), (0.33, 0.42)]


class Remote:
    """What Page wants of a server."""

    def __init__(self, address):
        self.host = urllib.parse.urlsplit(address).netloc

    def ask(self, method, path):
        connection = http.client.HTTPConnection(self.host, timeout=30)
        connection.request(method, path)
        answer = connection.getresponse()
        answer.read()
        answer.headers = {name.lower(): value for name, value in answer.getheaders()}
        return answer


def draw(page):
    """An irregular outline, by the polygon tool."""
    tab = page.page
    tab.check("#mask-draw", force=True)
    tab.evaluate("document.querySelector('#stage').scrollIntoView({block: 'center'})")
    page.key("p")
    box = tab.locator("canvas.labels").bounding_box()
    for x, y in [*LESION, LESION[0]]:
        tab.mouse.click(box["x"] + x * box["width"], box["y"] + y * box["height"])
    page.key("v")


def journey(browser, server, folder, look):
    screen, language, theme = look.split("-")
    page = Page(browser, server, language, theme, **SCREENS[screen])
    tab = page.open()

    def shot(name, full=False):
        tab.wait_for_timeout(400)
        tab.screenshot(path=folder / f"{look}-{name}.png", full_page=full)
    shot("1-empty")
    draw(page)
    shot("2-editor")
    example = tab.evaluate("document.querySelector('#examples').options[1]?.text")
    page.generate(wait=".job", prompt=example or "an image", count=4, steps=200, seed=7)
    tab.wait_for_timeout(1500)
    tab.evaluate("scrollTo(0, 0)") if screen == "desktop" else None
    shot("3-running")
    if tab.is_visible("#cancel"):  # a fast machine is done by now
        tab.click("#cancel")
    tab.wait_for_selector(".job", state="detached")
    page.generate(wait=".job", count=4, steps=10)
    tab.wait_for_selector(".job", state="detached", timeout=120000)
    tab.evaluate("document.querySelector('#knobs-fold').open = false; scrollTo(0, 0)")
    tab.evaluate("document.querySelectorAll('.message').forEach((m) => m.remove())")
    shot("4-results", full=True)
    tab.locator(".result .frame").first.click()
    tab.select_option("#viewer-compare", index=1)
    shot("5-viewer")
    tab.keyboard.press("Escape")
    page.fold()
    tab.evaluate("document.querySelector('#presets').scrollIntoView()")
    shot("6-settings")
    page.view("compare")
    tab.wait_for_selector("#x-field option", state="attached")
    tab.fill("#x-values", "1, 2, 4")
    tab.fill("#y-values", "7, 8")
    tab.select_option("#x-field", "mask_guidance")
    tab.select_option("#y-field", "seed")
    tab.click("#grid-form .primary")
    tab.locator(".cell img").nth(5).wait_for(timeout=120000)
    shot("7-grid", full=True)
    page.view("history")
    tab.wait_for_selector(".history")
    shot("8-history")
    page.view("evaluate")
    tab.wait_for_selector("#v-generated option:nth-child(2)", state="attached")
    for field, name in (("generated", "generated.jsonl"), ("reference", "test.jsonl")):
        tab.select_option(f"#v-{field}", tab.evaluate(
            f"[...document.querySelector('#v-{field}').options].findLast((o) => o.text.includes('{name}'))?.value ?? ''"))
    tab.click("#evaluate-form .primary")
    tab.wait_for_selector("#evaluations a, #evaluations .error", timeout=120000)
    shot("9-evaluate")
    page.view("training")
    page.until("document.querySelector('#chart-loss').getAttribute('aria-label')")
    tab.wait_for_timeout(800)
    shot("10-training", full=True)
    for fault in page.collect():
        print(look, fault)
    page.close()


def main():
    address, folder, *looks = sys.argv[1:]
    folder = pathlib.Path(folder)
    folder.mkdir(parents=True, exist_ok=True)
    looks = looks or ["-".join(parts) for parts in itertools.product(SCREENS, ("en", "zh"), ("light", "dark"))]
    with chromium() as browser:
        for look in looks:
            journey(browser, Remote(address), folder, look)
            print(look, flush=True)


if __name__ == "__main__":
    main()
