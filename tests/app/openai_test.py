# SPDX-License-Identifier: MIT
"""OpenAI's own client against the server: what it sends works unchanged, what fails raises its exceptions."""

import base64
import io
import threading
import time
import unittest

import openai

import serving
from jobs_test import decoded
from serving import SIDE, Server, label_map, mask_base64, png, text_chunks


def hole():
    """A PNG that is transparent in the middle."""
    disc = label_map(255)
    return png([[200] * SIDE for _ in range(SIDE)], [[255 - v for v in row] for row in disc])


class Client(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.server = Server("--segmenter", f"{serving.Material.get()}/segmenter.safetensors")
        cls.client = openai.OpenAI(base_url=f"http://{cls.server.host}/v1", api_key="anything", max_retries=0)

    @classmethod
    def tearDownClass(cls):
        assert cls.server.stop() == 0

    def generate(self, **fields):
        return self.client.images.generate(**{"model": "medaug", "prompt": "a phantom", **fields})

    def edit(self, **fields):
        picture = png([[100] * SIDE for _ in range(SIDE)])
        return self.client.images.edit(**{"model": "medaug", "prompt": "a phantom", "image": ("a.png", picture, "image/png"),
                                          "mask": ("m.png", hole(), "image/png"), **fields})

    def png_of(self, one):
        data = base64.b64decode(one.b64_json)
        self.assertTrue(data.startswith(b"\x89PNG"))
        return data

    def test_generate(self):
        made = self.generate()
        self.assertEqual(len(made.data), 1)
        self.png_of(made.data[0])
        self.assertLess(abs(made.created - time.time()), 100)

    def test_n(self):
        self.assertEqual(len({self.png_of(one) for one in self.generate(n=3).data}), 3)

    def test_size(self):
        data = self.png_of(self.generate(size=f"{2 * SIDE}x{SIDE}").data[0])
        self.assertEqual(data[16:24], (2 * SIDE).to_bytes(4, "big") + SIDE.to_bytes(4, "big"))

    def test_auto_size(self):
        self.png_of(self.generate(size="auto").data[0])

    def test_url(self):
        url = self.generate(response_format="url").data[0].url
        path = url.split(self.server.host, 1)[1]
        self.assertTrue(self.server.ask("GET", path).body.startswith(b"\x89PNG"))

    def test_extra_fields(self):
        one, again, other = (self.generate(extra_body={"seed": s, "steps": 3, "guidance_scale": 2.0, "solver": "heun"})
                             for s in (5, 5, 6))
        self.assertEqual(one.data[0].b64_json, again.data[0].b64_json)
        self.assertNotEqual(one.data[0].b64_json, other.data[0].b64_json)
        self.assertEqual(text_chunks(self.png_of(one.data[0]))["solver"], "heun")

    def test_label_mask(self):
        made = self.generate(extra_body={"label_mask": mask_base64()})
        self.assertIn("mask_png", text_chunks(self.png_of(made.data[0])))

    def test_negative_prompt(self):
        made = self.generate(extra_body={"negative_prompt": "blur"})
        self.assertEqual(text_chunks(self.png_of(made.data[0]))["negative_caption"], "blur")

    def test_fields_without_a_meaning_here(self):
        self.generate(quality="high", style="natural", user="me", background="opaque", moderation="low")

    def test_models(self):
        self.assertEqual([one.id for one in self.client.models.list().data], ["medaug"])

    def test_stream(self):
        seen = list(self.generate(stream=True, extra_body={"steps": 200, "seed": 1}))
        self.assertEqual([one.type for one in seen], ["image_generation.completed"])
        self.png_of(seen[0])

    def test_stream_with_partial_images(self):
        seen = list(self.generate(stream=True, partial_images=2, extra_body={"steps": 1000}))
        self.assertEqual([one.type for one in seen], ["image_generation.partial_image"] * 2 + ["image_generation.completed"])
        self.assertEqual([one.partial_image_index for one in seen[:2]], [0, 1])
        self.assertEqual(len({self.png_of(one) for one in seen}), 3)

    def test_edit_keeps_what_is_opaque(self):
        pixels = decoded(self.png_of(self.edit().data[0]))
        disc = label_map()
        for y in range(SIDE):
            for x in range(SIDE):
                if not disc[y][x]:
                    self.assertEqual(pixels[y][x], (100, 100, 100))

    def test_edit_of_several(self):
        self.assertEqual(len(self.edit(n=2).data), 2)

    def test_edit_stream(self):
        seen = list(self.edit(stream=True))
        self.assertEqual([one.type for one in seen], ["image_edit.completed"])

    def test_edit_with_extra_fields(self):
        one, again = (self.edit(extra_body={"seed": 9, "steps": 2}) for _ in range(2))
        self.assertEqual(one.data[0].b64_json, again.data[0].b64_json)

    def test_edit_without_a_mask(self):
        with self.assertRaises(openai.BadRequestError) as caught:
            self.client.images.edit(model="medaug", prompt="x", image=("a.png", hole(), "image/png"))
        self.assertEqual(caught.exception.param, "mask")

    def test_bad_request(self):
        for fields, param in (({"n": 11}, "n"), ({"size": "huge"}, "size"), ({"extra_body": {"steps": 0}}, "steps"),
                              ({"extra_body": {"stepps": 1}}, "stepps"), ({"output_format": "webp"}, "output_format")):
            with self.subTest(param), self.assertRaises(openai.BadRequestError) as caught:
                self.generate(**fields)
            self.assertEqual(caught.exception.param, param)
            self.assertTrue(caught.exception.code)

    def test_too_long_a_prompt(self):
        with self.assertRaises(openai.APIStatusError) as caught:
            self.generate(prompt="a" * 5000)
        self.assertEqual(caught.exception.status_code, 413)

    def test_not_found(self):
        with self.assertRaises(openai.NotFoundError):
            self.client.chat.completions.create(model="medaug", messages=[])

    def test_wrong_token(self):
        with Server(environment={"MEDAUG_TOKEN": "0123456789abcdef0123"}) as server:
            client = openai.OpenAI(base_url=f"http://{server.host}/v1", api_key="wrong", max_retries=0)
            with self.assertRaises(openai.AuthenticationError):
                client.images.generate(prompt="x")
            right = openai.OpenAI(base_url=f"http://{server.host}/v1", api_key="0123456789abcdef0123")
            self.assertEqual(len(right.images.generate(prompt="x").data), 1)

    def test_a_full_queue(self):
        with Server("--queue", "1") as server:
            client = openai.OpenAI(base_url=f"http://{server.host}/v1", api_key="x", max_retries=0)
            first = server.job(steps=1000, count=64)
            while server.state(first)["state"] == "queued":
                time.sleep(0.01)
            server.job(steps=1)
            with self.assertRaises(openai.InternalServerError) as caught:
                client.images.generate(prompt="x")
            self.assertEqual(caught.exception.status_code, 503)
            self.assertGreaterEqual(int(caught.exception.response.headers["retry-after"]), 1)
            server.ask("DELETE", f"/v1/jobs/{first['id']}")

    def test_many_clients(self):
        made = []

        def one(seed):
            made.append(self.generate(extra_body={"seed": seed, "steps": 2}).data[0].b64_json)
        threads = [threading.Thread(target=one, args=(i % 4,)) for i in range(12)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        self.assertEqual((len(made), len(set(made))), (12, 4))

    def test_raw_response(self):
        raw = self.client.images.with_raw_response.generate(prompt="x")
        self.assertTrue(raw.headers["x-request-id"])

    def test_file_objects(self):
        image, mask = io.BytesIO(png([[9] * SIDE] * SIDE)), io.BytesIO(hole())
        image.name, mask.name = "image.png", "mask.png"
        self.assertEqual(len(self.client.images.edit(prompt="x", image=image, mask=mask).data), 1)


if __name__ == "__main__":
    serving.main("app_openai_test")
