# SPDX-License-Identifier: MIT
"""Jobs through the API: what they make, cancel, delete, repeat, survive."""

import base64
import http.client
import io
import json
import os
import signal
import subprocess
import tempfile
import threading
import time
import unittest
import zipfile

import serving
from serving import SIDE, Material, Server, events, label_map, mask_base64, png, text_chunks


class Jobs(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.server = Server("--segmenter", f"{Material.get()}/segmenter.safetensors",
                            "--runs", f"{Material.get()}/runs", "--root", f"{Material.get()}/phantom")

    @classmethod
    def tearDownClass(cls):
        assert cls.server.stop() == 0

    def image(self, job, index=0):
        answer = self.server.ask("GET", f"/v1/jobs/{job['id']}/images/{index}.png")
        self.assertEqual((answer.status, answer.headers["content-type"]), (200, "image/png"))
        return answer.body

    def test_a_job_makes_its_images(self):
        job = self.server.wait(self.server.job(count=3, seed=7, steps=2, mask=mask_base64(),
                                               prompt="眼底 <b>x</b> \u202e"))
        self.assertEqual(job["state"], "done", job)
        self.assertEqual([one["seed"] for one in job["images"]], [7, 8, 9])
        self.assertEqual(job["progress"], {"step": 2, "steps": 2, "images_done": 3, "images": 3, "share": 1.0})
        for one in job["images"]:
            self.assertGreaterEqual(one["agreement"]["dice"], 0)
            self.assertEqual(len(one["agreement"]["classes"]), 2)
        text = text_chunks(self.image(job, 1))
        self.assertEqual(text["seed"], "8")
        self.assertEqual(text["checkpoint_sha256"], job["model_sha256"])
        self.assertIn("not for diagnosis", text["Disclaimer"])
        mask = self.server.ask("GET", f"/v1/jobs/{job['id']}/mask.png")
        self.assertEqual(mask.body, png(label_map()))

    def test_the_program_makes_the_same_pixels(self):
        mask = tempfile.mktemp(suffix=".png", dir=Material.get())
        with open(mask, "wb") as file:
            file.write(png(label_map()))
        out = tempfile.mktemp(dir=Material.get())
        serving.run("generate", "--checkpoint", f"{Material.get()}/runs/tiny", "--caption", "a phantom", "--mask", mask,
                    "--seed", "5", "--steps", "3", "--guidance", "2", "--output", out, "--quiet")
        job = self.server.wait(self.server.job(seed=5, steps=3, guidance=2, mask=mask_base64()))
        with open(f"{out}/images/000000.png", "rb") as file:
            self.assertEqual(self.image(job), file.read())

    def test_settings_come_back_from_a_picture_and_make_it_again(self):
        job = self.server.wait(self.server.job(seed=11, steps=3, guidance=1.7, negative_prompt="blur",
                                               mask=mask_base64(), solver="heun"))
        first = self.image(job)
        found = self.server.ask("POST", "/v1/settings", first, {"Content-Type": "image/png"}).json()
        self.assertTrue(found["same_model"])
        wanted = {key: found["request"][key] for key in ("prompt", "negative_prompt", "seed", "steps", "solver",
                                                         "guidance", "mask_guidance", "width", "height", "count")}
        again = self.server.wait(self.server.job(**wanted, mask=found["mask"]))
        self.assertEqual(self.image(again), first)

    def test_what_an_image_looks_like_does_not_depend_on_its_company(self):
        alone = self.image(self.server.wait(self.server.job(seed=1234, steps=4, mask=mask_base64())))
        jobs = [self.server.job(seed=1000 + i, steps=4, count=2) for i in range(6)]
        middle = self.server.job(seed=1234, steps=4, mask=mask_base64())
        jobs += [self.server.job(seed=2000 + i, steps=4) for i in range(6)]
        self.assertEqual(self.image(self.server.wait(middle)), alone)
        for job in jobs:
            self.assertEqual(self.server.wait(job)["state"], "done")

    def test_a_region_is_painted_and_the_rest_stays(self):
        rows = [[(7 * x + 3 * y) % 256 for x in range(SIDE)] for y in range(SIDE)]
        job = self.server.wait(self.server.job(steps=3, init_image=base64.b64encode(png(rows)).decode(),
                                               region=mask_base64(200)))
        self.assertEqual(job["state"], "done", job)
        made = tempfile.mktemp(suffix=".png", dir=Material.get())
        with open(made, "wb") as file:
            file.write(self.image(job))
        pixels = decoded(self.image(job))
        region = label_map()
        outside = [(x, y) for y in range(SIDE) for x in range(SIDE) if not region[y][x]]
        self.assertTrue(all(pixels[y][x] == (rows[y][x],) * 3 for x, y in outside))
        inside = [(x, y) for y in range(SIDE) for x in range(SIDE) if region[y][x]]
        self.assertTrue(any(pixels[y][x] != (rows[y][x],) * 3 for x, y in inside))

    def test_events_show_progress_previews_and_the_end(self):
        job = self.server.job(count=1, steps=300)
        connection = http.client.HTTPConnection("127.0.0.1", self.server.port, timeout=60)
        connection.request("GET", f"/v1/jobs/{job['id']}/events")
        answer = connection.getresponse()
        self.assertEqual(answer.headers["Content-Type"], "text/event-stream")
        seen = list(events(answer))
        connection.close()
        self.assertEqual({name for name, _ in seen}, {"job", "preview"})
        self.assertEqual(seen[-1][1]["state"], "done")
        shares = [data["progress"]["share"] for name, data in seen if name == "job"]
        self.assertEqual(shares, sorted(shares))
        self.assertGreater(len(shares), 3)
        preview = base64.b64decode([data for name, data in seen if name == "preview"][0]["png"])
        self.assertTrue(preview.startswith(b"\x89PNG"))

    def test_cancel(self):
        job = self.server.job(steps=1000, count=16)
        waiting = self.server.job(steps=1000)
        self.assertEqual(self.server.ask("POST", f"/v1/jobs/{waiting['id']}/cancel", {}).json()["state"], "cancelled")
        while self.server.state(job)["progress"]["step"] < 2:
            time.sleep(0.01)
        self.server.ask("POST", f"/v1/jobs/{job['id']}/cancel", {})
        begin = time.time()
        self.assertEqual(self.server.wait(job)["state"], "cancelled")
        self.assertLess(time.time() - begin, 2)
        again = self.server.ask("POST", f"/v1/jobs/{job['id']}/cancel", {})
        self.assertEqual((again.status, again.json()["state"]), (200, "cancelled"))

    def test_delete_takes_the_files(self):
        job = self.server.wait(self.server.job(steps=1))
        folder = os.path.join(self.server.history, "jobs", job["id"])
        self.assertTrue(os.path.exists(folder))
        self.assertEqual(self.server.ask("DELETE", f"/v1/jobs/{job['id']}").status, 204)
        self.assertFalse(os.path.exists(folder))
        self.assertEqual(self.server.ask("GET", f"/v1/jobs/{job['id']}").status, 404)
        running = self.server.job(steps=1000, count=16)
        self.assertEqual(self.server.ask("DELETE", f"/v1/jobs/{running['id']}").status, 204)
        self.assertEqual(self.server.ask("GET", f"/v1/jobs/{running['id']}").status, 404)

    def test_the_same_key_is_the_same_job(self):
        fields = {"prompt": "once", "steps": 1}
        first = self.server.ask("POST", "/v1/jobs", fields, {"Idempotency-Key": "k1"}).json()
        again = self.server.ask("POST", "/v1/jobs", fields, {"Idempotency-Key": "k1"}).json()
        self.assertEqual(first["id"], again["id"])
        other = self.server.ask("POST", "/v1/jobs", {"prompt": "twice"}, {"Idempotency-Key": "k1"})
        self.assertEqual((other.status, other.code), (422, "idempotency_conflict"))

    def test_list_is_newest_first_and_in_pages(self):
        made = [self.server.wait(self.server.job(steps=1))["id"] for _ in range(5)]
        page = self.server.ask("GET", "/v1/jobs?limit=3").json()
        self.assertEqual([job["id"] for job in page["jobs"]], made[:1:-1])
        rest = self.server.ask("GET", f"/v1/jobs?limit=2&before={page['next']}").json()
        self.assertEqual([job["id"] for job in rest["jobs"]], made[1::-1])
        self.assertEqual(self.server.ask("GET", "/v1/jobs?limit=0").status, 400)

    def test_archive(self):
        job = self.server.wait(self.server.job(steps=1, count=2, mask=mask_base64()))
        answer = self.server.ask("GET", f"/v1/jobs/{job['id']}/archive.zip")
        with zipfile.ZipFile(io.BytesIO(answer.body)) as archive:
            self.assertIsNone(archive.testzip())
            self.assertEqual(sorted(archive.namelist()), ["0.json", "0.png", "1.json", "1.png", "mask.png"])
            self.assertEqual(json.loads(archive.read("1.json"))["seed"], job["request"]["seed"] + 1)
            self.assertEqual(archive.read("0.png"), self.image(job))

    def test_capabilities_tell_the_truth(self):
        found = self.server.ask("GET", "/v1/capabilities").json()
        self.assertEqual(found["model"]["width"], SIDE)
        self.assertEqual([one["label"] for one in found["model"]["classes"]], [1, 2])
        self.assertTrue(found["segmenter"] and found["runs"] and found["evaluation"])
        self.assertFalse(found["nearest"] or found["token_required"])
        steps = found["limits"]["steps"]["max"]
        self.assertEqual(self.server.ask("POST", "/v1/jobs", {"prompt": "", "steps": steps + 1}).status, 400)
        job = self.server.job(steps=steps, count=found["limits"]["count"]["max"])
        self.server.ask("DELETE", f"/v1/jobs/{job['id']}")

    def test_metrics_are_prometheus(self):
        text = self.server.ask("GET", "/metrics").body.decode()
        names, typed = set(), set()
        for line in text.splitlines():
            if line.startswith("# TYPE "):
                typed.add(line.split(" ")[2])
            elif not line.startswith("#"):
                name, value = line.rsplit(" ", 1)
                float(value)
                names.add(name.split("{")[0])
        self.assertGreaterEqual(len(names), 20)
        bases = {n.rsplit("_", 1)[0] if n.endswith(("_bucket", "_sum", "_count")) and n not in typed else n for n in names}
        self.assertEqual(bases - typed, set())

    def test_runs(self):
        runs = self.server.ask("GET", "/v1/runs").json()["runs"]
        self.assertEqual([run["name"] for run in runs], ["tiny"])
        run = self.server.ask("GET", f"/v1/runs/{runs[0]['id']}").json()
        self.assertEqual(run["step"], 20)
        self.assertFalse(run["active"])  # its log is young, but it says that it has ended
        self.assertIsNone(run["eta_seconds"])
        self.assertEqual(len(run["series"]["train"]["loss"]), 20)
        self.assertEqual(run["last_checkpoint"]["step"], 20)
        self.assertTrue(run["samples"])
        picture = self.server.ask("GET", run["samples"][-1]["url"])
        self.assertTrue(picture.body.startswith(b"\x89PNG"))
        self.assertEqual(self.server.ask("GET", "/v1/runs/" + "0" * 32).status, 404)
        connection = http.client.HTTPConnection("127.0.0.1", self.server.port, timeout=10)
        connection.request("GET", f"/v1/runs/{runs[0]['id']}/events")
        name, data = next(events(connection.getresponse()))
        self.assertEqual((name, data["step"]), ("run", 20))
        connection.close()

    def test_an_evaluation(self):
        sources = {one["name"]: one for one in self.server.ask("GET", "/v1/evaluation/sources").json()["sources"]}
        self.assertEqual(sources["val.jsonl"]["kind"], "manifest")
        self.assertNotIn("path", sources["val.jsonl"])
        wanted = {"generated": sources["val.jsonl"]["id"], "reference": sources["val.jsonl"]["id"], "segmenter": True}
        answer = self.server.ask("POST", "/v1/evaluations", wanted)
        self.assertEqual(answer.status, 202, answer.body)
        url = "/v1/evaluations/" + answer.json()["id"]
        end = time.time() + 120
        while self.server.ask("GET", url).json()["state"] in ("queued", "running") and time.time() < end:
            time.sleep(0.1)
        found = self.server.ask("GET", url).json()
        self.assertEqual(found["state"], "done", found)
        self.assertIn(b"<html", self.server.ask("GET", url + "/report").body)
        result = self.server.ask("GET", url + "/result").json()
        self.assertEqual(result["image_quality"]["ssim"]["mean"], 1.0)
        ids = {name: one["id"] for name, one in sources.items()}
        few = self.server.ask("POST", "/v1/evaluations", {"generated": ids["val.jsonl"], "reference": ids["val.jsonl"],
                                                          "training": ids["train.jsonl"], "copies": True})
        self.assertEqual((few.status, few.json()["error"]["param"]), (400, "reference"))
        none = self.server.ask("POST", "/v1/evaluations", {"generated": ids["val.jsonl"], "reference": ids["val.jsonl"],
                                                           "copies": True})
        self.assertEqual((none.status, none.json()["error"]["param"]), (400, "training"))
        alone = self.server.ask("POST", "/v1/evaluations", {"generated": ids["val.jsonl"]})
        self.assertEqual((alone.status, alone.json()["error"]["param"]), (400, "reference"))
        nothing = self.server.ask("POST", "/v1/evaluations", {"generated": ids["val.jsonl"], "reference": ids["val.jsonl"],
                                                              "paired": False})
        self.assertEqual((nothing.status, nothing.json()["error"]["param"]), (400, "paired"))
        bad = self.server.ask("POST", "/v1/evaluations", {"generated": "../../etc"})
        self.assertEqual((bad.status, bad.json()["error"]["param"]), (400, "generated"))


def decoded(data):
    """Rows of RGB pixels of an 8-bit PNG without interlace."""
    import struct
    import zlib
    width, height, _, kind = struct.unpack(">IIBB", data[16:26])
    channels = {0: 1, 2: 3}[kind]
    packed, at = b"", 8
    while at < len(data):
        size, name = struct.unpack(">I4s", data[at:at + 8])
        packed += data[at + 8:at + 8 + size] if name == b"IDAT" else b""
        at += size + 12
    raw, rows, before = zlib.decompress(packed), [], [0] * (width * channels)
    for y in range(height):
        line = raw[y * (width * channels + 1):(y + 1) * (width * channels + 1)]
        row = list(line[1:])
        for i in range(len(row)):
            left = row[i - channels] if i >= channels else 0
            corner = before[i - channels] if i >= channels else 0
            near = min((left, before[i], corner), key=lambda v: (abs(left + before[i] - corner - v)))
            if line[0] == 4:
                p = left + before[i] - corner
                pa, pb, pc = abs(p - left), abs(p - before[i]), abs(p - corner)
                near = left if pa <= pb and pa <= pc else before[i] if pb <= pc else corner
            row[i] = (row[i] + [0, left, before[i], (left + before[i]) // 2, near][line[0]]) % 256
        rows.append([tuple(row[i:i + channels]) * (3 // channels) for i in range(0, len(row), channels)])
        before = row
    return rows


class Lifetime(unittest.TestCase):
    def test_history_survives_and_what_was_killed_goes_on(self):
        with Server() as server:
            history = server.history
            done = server.wait(server.job(steps=1, seed=3, mask=mask_base64()))
            running = server.job(steps=150, count=16, seed=4)
            waiting = server.job(steps=2, seed=5, prompt="waits", mask=mask_base64())
            while server.state(running)["progress"]["step"] < 2:
                time.sleep(0.01)
            server.stop(signal.SIGKILL)
        with Server(history=history) as server:
            self.assertEqual(server.state(done)["images"], done["images"])
            self.assertEqual(server.wait(running)["state"], "done")
            found = server.wait(waiting)
            self.assertEqual((found["state"], found["request"]["prompt"]), ("done", "waits"))
            self.assertEqual(server.ask("GET", f"/v1/jobs/{waiting['id']}/mask.png").body, png(label_map()))
            picture = server.ask("GET", f"/v1/jobs/{waiting['id']}/images/0.png").body
            same = server.wait(server.job(steps=2, seed=5, prompt="waits", mask=mask_base64()))
            self.assertEqual(server.ask("GET", f"/v1/jobs/{same['id']}/images/0.png").body, picture)

    def test_a_stop_lets_accepted_jobs_end_and_refuses_new_ones(self):
        with Server() as server:
            job = server.job(steps=300, count=2)
            server.process.send_signal(signal.SIGTERM)
            end = time.time() + 5
            while server.ask("GET", "/readyz").status != 503 and time.time() < end:
                time.sleep(0.01)
            refused = server.ask("POST", "/v1/jobs", {"prompt": "late"})
            self.assertEqual((refused.status, refused.code), (503, "draining"))
            self.assertIn("retry-after", refused.headers)
            self.assertEqual(server.process.wait(60), 0)
            history = server.history
        with Server(history=history) as server:
            self.assertEqual(server.state(job)["state"], "done")

    def test_a_second_server_on_the_same_history_is_refused(self):
        with Server() as server:
            done = subprocess.run([serving.MEDAUG, "serve", "--checkpoint", f"{server.folder}/runs/tiny", "--port", "0",
                                   "--history", server.history], capture_output=True, text=True)
            self.assertEqual(done.returncode, 6, done.stderr)
            taken = subprocess.run([serving.MEDAUG, "serve", "--checkpoint", f"{server.folder}/runs/tiny", "--port",
                                    str(server.port), "--history", server.history + "2"], capture_output=True, text=True)
            self.assertEqual(taken.returncode, 6, taken.stderr)
            self.assertIn("--port", taken.stderr)

    def test_old_jobs_go_beyond_the_budget(self):
        with Server("--history-mb", "1") as server:
            jobs = [server.wait(server.job(steps=1, count=64)) for _ in range(12)]
            server.wait(server.job(steps=1))
            time.sleep(0.2)
            kept = [job for job in jobs if server.ask("GET", f"/v1/jobs/{job['id']}").status == 200]
            size = sum(os.path.getsize(os.path.join(path, name))
                       for path, _, names in os.walk(os.path.join(server.history, "jobs")) for name in names)
            self.assertLess(size, 3 << 20)
            if len(kept) < len(jobs):
                self.assertEqual(kept, jobs[-len(kept):] if kept else [])

    def test_reload_keeps_the_old_model_when_the_new_one_is_bad(self):
        with Server() as server:
            before = server.ask("GET", "/v1/capabilities").json()["model"]["sha256"]
            self.assertEqual(server.ask("POST", "/v1/model/reload", {}).json()["sha256"], before)
            model = f"{server.folder}/runs/tiny/checkpoints/best_model.safetensors"
            with open(model, "rb") as file:
                good = file.read()
            try:
                for bad in (good[:1000], b"", good[:-4]):
                    with open(model + ".new", "wb") as file:
                        file.write(bad)
                    os.replace(model + ".new", model)
                    answer = server.ask("POST", "/v1/model/reload", {})
                    self.assertEqual((answer.status, answer.code), (409, "checkpoint"))
                    self.assertEqual(server.wait(server.job(steps=1))["model_sha256"], before)
            finally:
                with open(model + ".new", "wb") as file:
                    file.write(good)
                os.replace(model + ".new", model)


class Load(unittest.TestCase):
    def test_a_full_queue_refuses_at_once_and_says_when(self):
        with Server("--queue", "4") as server:
            blocker = server.job(steps=1000, count=16)
            while server.state(blocker)["state"] == "queued":
                time.sleep(0.01)
            answers = [server.ask("POST", "/v1/jobs", {"prompt": "x", "steps": 1}) for _ in range(10)]
            self.assertEqual([a.status for a in answers].count(202), 4)
            refused = [a for a in answers if a.status != 202]
            self.assertTrue(all(a.code == "queue_full" and int(a.headers["retry-after"]) >= 1 for a in refused))
            server.ask("POST", f"/v1/jobs/{blocker['id']}/cancel", {})
            for answer in answers:
                if answer.status == 202:
                    self.assertEqual(server.wait(answer.json())["state"], "done")

    def test_hanging_up_on_an_answer_cancels_its_job(self):
        with Server() as server:
            for stream in (False, True):
                body = json.dumps({"prompt": "x", "steps": 1000, "n": 10, "stream": stream}).encode()
                connection = http.client.HTTPConnection("127.0.0.1", server.port, timeout=30)
                connection.request("POST", "/v1/images/generations", body, {"Content-Type": "application/json"})
                end = time.time() + 20
                while server.metric("medaug_jobs_running") != 1 and time.time() < end:
                    time.sleep(0.01)
                connection.close()
                while server.metric("medaug_jobs_running") != 0 and time.time() < end:
                    time.sleep(0.01)
                self.assertEqual(server.metric("medaug_jobs_running"), 0)
            self.assertEqual(server.ask("GET", "/v1/jobs").json()["jobs"][0]["state"], "cancelled")

    def test_many_at_once(self):
        with Server("--queue", "32") as server:
            results, lock = [], threading.Lock()

            def client(number):
                for i in range(6):
                    answer = server.ask("POST", "/v1/jobs", {"prompt": "x", "steps": 2, "seed": number * 100 + i})
                    state = server.wait(answer.json())["state"] if answer.status == 202 else answer.code
                    with lock:
                        results.append(state)
            threads = [threading.Thread(target=client, args=(n,)) for n in range(24)]
            for thread in threads:
                thread.start()
            for thread in threads:
                thread.join()
            self.assertEqual(len(results), 24 * 6)
            self.assertEqual(set(results) - {"done", "queue_full"}, set())
            self.assertEqual(server.metric("medaug_jobs_waiting"), 0)
            self.assertGreater(server.metric("medaug_images_total") / server.metric("medaug_batches_total"), 1.5)


if __name__ == "__main__":
    serving.main("app_jobs_test")
