# SPDX-License-Identifier: MIT
"""Jobs as the page shows them: progress, previews, cancelling, the queue, faults; and what survives a reload, a closed
tab or a killed server."""

import os
import re
import signal

from editor_model import Hand
from serving import SIDE, Server
from support import SLOW, Case, dump, in_every_look, mask_at_server, newest

REPETITIONS = int(os.environ.get("REPETITIONS", "5"))  # of the proofs that nothing is lost
FORM = {"prompt": "kept: 眼底 <b>&amp;</b> \u202e", "seed": "77", "steps": "9", "guidance": "2.5", "count": "3"}


def drawn(page):
    """An ellipse and a line, so that the mask has two classes."""
    hand = Hand(page.page)
    page.key("o")
    hand.drag([(6, 8), (20, 26)])
    page.key("2")
    page.key("b")
    hand.drag([(4, 4), (28, 10)])
    return page.labels()


@in_every_look
class Jobs(Case):
    arguments = ("--queue", "4")

    def look_generate_watch_and_cancel(self, language, theme):
        page = self.page(language, theme)
        tab = page.open()
        self.assertEqual(tab.get_attribute("html", "lang"), {"en": "en", "zh": "zh-CN"}[language])
        mask = drawn(page)
        page.generate(wait=".job progress[value]", prompt="watched", steps=SLOW, count=2, seed=5)
        page.until("document.querySelector('.job progress').value > 0")
        page.until("[...document.querySelectorAll('.slot')].some((i) => i.src.startsWith('data:image/png'))")
        self.assertRegex(tab.inner_text(".job-state"), r"\d+ (of|/) 600")
        self.assertRegex(tab.title(), r"^\d+ % – medaug$")
        page.axe("running")
        tab.click("#cancel")
        tab.wait_for_selector(".job", state="detached")
        self.assertEqual(newest(self.server)["state"], "cancelled")
        page.generate(prompt="finished", count=2, seed=5)
        job = newest(self.server)
        self.assertEqual(mask_at_server(self.server, job), (SIDE, SIDE, mask))
        self.assertEqual([image["seed"] for image in job["images"]], [5, 6])
        page.until(f"[...document.querySelectorAll('.result img')].every((i) => i.naturalWidth === {SIDE})")
        self.assertEqual(tab.locator(".result").count(), 2)
        page.until("[...document.querySelectorAll('.result canvas')].every((c) => c.width > 32)")
        self.assertRegex(tab.locator(".agreement").first.inner_text(), r"Dice [01]\.\d")
        for image in tab.locator(".result .frame img").all():
            self.assertIn("finished", image.get_attribute("alt"))
        page.axe("finished")

    def test_progress_is_told_to_screen_readers(self):
        page = self.opened()
        page.page.evaluate("""() => { window.said = []; new MutationObserver(() =>
          said.push([performance.now(), document.querySelector("#live").textContent])).observe(
          document.querySelector("#live"), {childList: true, characterData: true, subtree: true}); }""")
        page.generate(prompt="spoken", steps=300)
        page.until("said.some(([, text]) => text === 'Finished')")
        said = page.page.evaluate("said.filter(([, text]) => text)")
        self.assertTrue(any("Step" in text for _, text in said), said)
        self.assertTrue(all(b[0] - a[0] > 900 for a, b in zip(said, said[1:])), said)

    def test_the_same_request_gives_the_same_picture(self):
        page = self.opened()
        bodies = []
        for _ in "ab":
            page.generate(prompt="twice", seed=123, steps=4)
            page.page.wait_for_selector(".job", state="detached")
            bodies.append(self.server.ask("GET", newest(self.server)["images"][0]["url"]).body)
        self.assertEqual(bodies[0], bodies[1])

    def test_queue_cancel_and_a_full_queue(self):
        page = self.opened(reduced_motion="reduce")
        page.allowed = ["status of 503"]
        for i in range(3):
            page.generate(wait=".job", prompt=f"number {i}", steps=SLOW + i)
            page.until(f"document.querySelectorAll('.job').length === {i + 1}")
        self.assertIn("Waiting", page.page.locator(".job").nth(2).inner_text())
        page.axe("queue")
        page.page.locator(".job").last.get_by_role("button", name="Cancel").click()
        page.until("document.querySelectorAll('.job').length === 2")
        for i in range(5):
            if not page.page.inner_text("#e-general"):
                page.generate(wait=".job", prompt=f"more {i}", steps=SLOW + 10 + i)
                page.page.wait_for_selector("#generate:not([aria-busy])")
        self.assertIn("queue is full", page.page.inner_text("#e-general"))

    def test_faults_stand_next_to_their_fields(self):
        page = self.opened()
        page.allowed = ["status of 400"]
        page.fold()
        page.page.fill("#f-seed", "half")
        page.page.click("#generate")
        self.assertTrue(page.page.inner_text("#e-seed"))
        self.assertEqual(page.page.get_attribute("#f-seed", "aria-invalid"), "true")
        self.assertIn("e-seed", page.page.get_attribute("#f-seed", "aria-describedby"))
        page.axe("error")
        page.page.fill("#f-seed", "")
        page.page.fill("#f-prompt", "語" * 1400)  # 4,200 bytes
        page.page.click("#generate")
        self.assertIn("4200", page.page.inner_text("#e-prompt").replace(",", ""))
        page.page.fill("#f-prompt", "short again")
        self.assertEqual(page.page.inner_text("#e-prompt"), "")
        page.settings(steps=99999)
        page.page.locator("#f-steps").blur()
        self.assertEqual(page.page.input_value("#f-steps"), "1000")

    def test_another_browser_finds_the_running_job(self):
        first = self.opened()
        first.generate(wait=".job", prompt="found", steps=SLOW)
        second = self.opened()
        second.page.wait_for_selector(".job")
        self.assertIn("found", second.page.inner_text(".job"))
        second.page.wait_for_selector(".result")
        first.page.wait_for_selector(".result")


class Survival(Case):
    def filled(self, page):
        page.settings(**FORM)
        page.page.select_option("#f-solver", "heun")
        return drawn(page)

    def whole(self, page, mask):
        self.assertEqual({name: page.page.input_value(f"#f-{name}") for name in FORM}, FORM)
        self.assertEqual(page.page.input_value("#f-solver"), "heun")
        self.assertEqual(page.labels(), mask)
        self.assertTrue(page.page.is_checked("#mask-draw"))

    def test_reload_and_closed_tab(self):
        page = self.opened()
        mask = self.filled(page)
        page.page.click("[data-language=zh]")
        page.page.select_option("#theme", "dark")
        for i in range(REPETITIONS):
            with self.subTest(repetition=i):
                page.reload()
                self.whole(page, mask)
                self.assertEqual(page.page.get_attribute("html", "lang"), "zh-CN")
                self.assertEqual(page.page.input_value("#theme"), "dark")
                page.page.close()
                page.tab()
                page.open()
                self.whole(page, mask)

    def test_reload_in_the_middle_of_a_stroke(self):
        page = self.opened()
        hand = Hand(page.page)
        page.key("b")
        page.page.mouse.move(*hand.at((5, 20)))
        page.page.mouse.down()
        page.page.mouse.move(*hand.at((25, 20)))
        now = page.labels()
        self.assertTrue(any(now))
        page.reload()
        self.assertEqual(page.labels(), now)

    def test_two_tabs_do_not_overwrite_each_other(self):
        page = self.opened()
        first, mask = page.page, self.filled(page)
        page.tab()
        page.open()
        page.page.fill("#f-prompt", "second tab")
        page.page.click("#clear")
        page.page = first
        page.reload()
        self.whole(page, mask)

    def test_a_job_goes_on_without_its_page(self):
        page = self.opened()
        page.generate(wait=".job progress[value]", prompt="goes on", steps=SLOW)
        page.reload()
        page.page.wait_for_selector(".job progress[value]")
        page.page.close()
        page.tab()
        page.open()
        page.page.wait_for_selector(".job progress[value]")
        page.page.wait_for_selector(".result")
        page.reload()
        page.page.wait_for_selector(".result")
        self.assertIn("goes on", page.page.inner_text("#results"))

    def test_a_killed_server(self):
        with Server() as server:
            port, history = server.port, server.history
            page = self.page(server=server)
            page.allowed = ["net::ERR_"]
            page.open()
            page.generate(prompt="before", seed=1)
            mask = self.filled(page)
            for i in range(REPETITIONS):
                with self.subTest(repetition=i):
                    page.settings(prompt=f"killed {i}", steps=500, count=1, seed=100 + i)
                    page.page.click("#generate")
                    page.until("document.querySelector('.job progress')?.value > 0.1")
                    page.settings(**FORM)
                    server.stop(signal.SIGKILL)
                    page.page.wait_for_selector(".link-lost:not([hidden])")
                    server = Server(history=history, port=port)
                    page.page.wait_for_selector(".link-lost:not([hidden])", state="detached", timeout=40000)
                    page.page.wait_for_selector(".job", state="detached", timeout=40000)
                    self.assertIn(f"killed {i}", page.page.inner_text("#results"))
                    self.whole(page, mask)
                    page.reload()
                    self.whole(page, mask)
                    page.view("history")
                    page.page.wait_for_selector(".history")
                    texts = " ".join(page.page.locator(".history h3").all_inner_texts())
                    newest = [f"killed {n}" for n in range(i, -1, -1)] + ["before"]
                    self.assertEqual(re.findall(r"before|killed \d+", texts)[:6], newest[:6])
                    page.view("generate")
            server.stop()

    def test_a_page_that_is_opened_while_the_server_is_down(self):
        with Server() as server:
            page = self.page(server=server)
            page.allowed = ["net::ERR_"]
            page.open()
            mask = self.filled(page)
            port, history = server.port, server.history
            server.stop(signal.SIGKILL)
            page.page.wait_for_selector("#server[data-state=offline]")
            page.page.click("#generate")
            page.until("document.querySelector('#e-general').textContent.includes(\"can't be reached\")")
        with Server(history=history, port=port):
            page.page.click("#generate")
            page.page.wait_for_selector(".result")
            self.whole(page, mask)


class History(Case):
    def test_restore_delete_and_zip(self):
        page = self.opened()
        tab = page.page
        mask = drawn(page)
        page.generate(prompt="restore me", steps=3, seed=4242, solver="heun", guidance=1.5)
        tab.click("#clear")
        tab.check("#mask-none", force=True)
        page.settings(prompt="other", seed="", steps=7)
        page.view("history")
        first = tab.locator(".history").first
        first.wait_for()
        self.assertIn("restore me", first.inner_text())
        page.until(f"document.querySelector('.history img').naturalWidth === {SIDE}")
        first.get_by_role("button", name="Restore settings").click()
        tab.wait_for_selector("#panel-generate:not([hidden])")
        self.assertEqual(page.labels(), mask)
        self.assertTrue(tab.is_checked("#mask-draw"))
        wanted = {"prompt": "restore me", "seed": "4242", "steps": "3", "solver": "heun", "guidance": "1.5"}
        self.assertEqual({name: tab.input_value(f"#f-{name}") for name in wanted}, wanted)
        picture = self.server.ask("GET", newest(self.server)["images"][0]["url"]).body
        page.generate(**wanted)
        tab.wait_for_selector(".job", state="detached")
        self.assertEqual(self.server.ask("GET", newest(self.server)["images"][0]["url"]).body, picture)
        page.view("history")
        with tab.expect_download() as download:
            tab.locator(".history").first.get_by_role("button", name="ZIP").click()
        self.assertTrue(download.value.suggested_filename.endswith(".zip"))
        gone = newest(self.server)["id"]
        tab.locator(".history").first.get_by_role("button", name="Delete").click()
        tab.wait_for_selector("#confirm[open]")
        page.axe("confirm")
        tab.keyboard.press("Escape")
        self.assertEqual(newest(self.server)["id"], gone, "Escape deletes nothing")
        tab.locator(".history").first.get_by_role("button", name="Delete").click()
        tab.click("#confirm-yes")
        page.until("document.querySelector('#live').textContent === 'Deleted.'")
        self.assertEqual(self.server.ask("GET", f"/v1/jobs/{gone}").status, 404)

    def test_a_long_history_comes_page_by_page(self):
        jobs = [self.server.job(steps=1, prompt=f"entry {i}") for i in range(30)]
        for job in jobs:
            self.server.wait(job)
        page = self.opened()
        page.view("history")
        page.page.wait_for_selector(".history")
        page.page.mouse.move(600, 600)
        for _ in range(40):
            page.page.mouse.wheel(0, 2000)
            page.page.wait_for_timeout(50)
            if page.page.locator(".history").count() >= 30:
                break
        texts = page.page.locator(".history h3").all_inner_texts()
        self.assertEqual([text for text in texts if text.startswith("entry")], [f"entry {i}" for i in range(29, -1, -1)])

    def test_a_dropped_png_gives_its_settings_and_the_same_bytes_again(self):
        page = self.opened()
        tab = page.page
        mask = drawn(page)
        page.generate(prompt="inside the PNG <i>", steps=4, guidance=1.7, count=2)
        with tab.expect_download() as download:
            tab.locator(".result button", has_text="PNG").nth(1).click()
        with open(download.value.path(), "rb") as file:
            data = file.read()
        tab.click("#clear")
        page.settings(prompt="", steps=2, guidance=1)
        page.view("training")
        page.drop("body", "x.png", data)
        tab.wait_for_selector("#panel-generate:not([hidden])")
        page.until("document.querySelector('#f-prompt').value === 'inside the PNG <i>'")
        self.assertEqual(page.labels(), mask)
        self.assertIn("this very checkpoint", tab.inner_text("#messages"))
        tab.click("#generate")
        tab.wait_for_selector(".job", state="attached")
        tab.wait_for_selector(".job", state="detached")
        job = newest(self.server)
        self.assertEqual(self.server.ask("GET", job["images"][0]["url"]).body, data)
        self.assertEqual(dump(job["request"]["guidance"]), "1.7")
