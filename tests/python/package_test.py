# SPDX-License-Identifier: MIT
"""The Python package: the original's example, the program's bytes, errors, batches, data set, evaluation."""

import json
import os
import sys
import tempfile
import threading
import unittest

sys.path.insert(0, os.path.join(os.path.dirname(__file__), "..", "app"))
import numpy as np  # noqa: E402
import serving  # noqa: E402
from PIL import Image  # noqa: E402
from serving import SIDE, Material, label_map, run  # noqa: E402

import medaug  # noqa: E402
from medaug import ImageGenerator, SyntheticDataset  # noqa: E402


class Package(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.folder = Material.get()
        cls.model = f"{cls.folder}/runs/tiny"
        cls.generator = ImageGenerator(checkpoint_path=cls.model, device="cpu")
        cls.mask = np.array(label_map(), dtype=np.uint8)
        cls.mask_file = f"{cls.folder}/disc.png"
        Image.fromarray(cls.mask).save(cls.mask_file)

    def test_the_originals_example(self):
        image = self.generator.generate(caption="Severe diabetic retinopathy with microaneurysms",
                                        num_inference_steps=5, guidance_scale=7.5)
        self.assertIsInstance(image, Image.Image)
        self.assertEqual((image.size, image.mode), ((SIDE, SIDE), "RGB"))
        image.save(f"{self.folder}/generated.png")
        again = self.generator.generate(caption="x", mask=Image.open(self.mask_file), image_size=SIDE,
                                        num_inference_steps=5, guidance_scale=7.5, seed=42)
        self.assertEqual(again.size, (SIDE, SIDE))

    def test_the_same_pixels_as_the_program(self):
        out = tempfile.mktemp(dir=self.folder)
        run("generate", "--checkpoint", self.model, "--caption", "a phantom", "--mask", self.mask_file, "--seed", "9",
            "--steps", "4", "--guidance", "2", "--output", out, "--quiet")
        made = self.generator.generate("a phantom", self.mask_file, num_inference_steps=4, guidance_scale=2, seed=9)
        self.assertTrue(np.array_equal(np.asarray(made), np.asarray(Image.open(f"{out}/images/000000.png"))))

    def test_masks_of_all_kinds_are_the_same(self):
        images = [self.generator.generate("x", mask, num_inference_steps=2)
                  for mask in (self.mask_file, self.mask, Image.fromarray(self.mask), self.mask.astype(np.int64))]
        for image in images[1:]:
            self.assertTrue(np.array_equal(np.asarray(images[0]), np.asarray(image)))
        without = self.generator.generate("x", None, num_inference_steps=2)
        self.assertFalse(np.array_equal(np.asarray(images[0]), np.asarray(without)))

    def test_alone_and_in_a_batch(self):
        captions = [f"caption {i}" for i in range(20)]
        masks = [self.mask if i % 2 else None for i in range(20)]
        batch = self.generator.generate_batch(captions, masks, seeds=range(20), num_inference_steps=2)
        alone = self.generator.generate(captions[7], masks[7], seed=7, num_inference_steps=2)
        self.assertTrue(np.array_equal(np.asarray(batch[7]), np.asarray(alone)))
        streamed = list(self.generator.stream(({"caption": c, "mask": m, "seed": i}
                                               for i, (c, m) in enumerate(zip(captions, masks))),
                                              batch_size=6, num_inference_steps=2))
        self.assertTrue(np.array_equal(np.asarray(streamed[7]), np.asarray(alone)))

    def test_size(self):
        image = self.generator.generate("x", image_size=(SIDE, 2 * SIDE), num_inference_steps=1)
        self.assertEqual(image.size, (2 * SIDE, SIDE))

    def test_errors(self):
        cases = [
            (lambda: ImageGenerator("/nowhere"), medaug.CheckpointError, "nowhere"),
            (lambda: ImageGenerator(self.model, device="tpu"), medaug.InvalidArgumentError, "device"),
            (lambda: self.generator.generate("x", self.mask + 100), medaug.DataError, "label"),
            (lambda: self.generator.generate("x", self.mask.astype(float)), medaug.InvalidArgumentError, "float64"),
            (lambda: self.generator.generate("x", "/nowhere.png"), medaug.DataError, "nowhere"),
            (lambda: self.generator.generate("x", image_size=SIDE + 1), medaug.InvalidArgumentError, "size"),
            (lambda: self.generator.generate("x", num_inference_steps=0), medaug.InvalidArgumentError, "steps"),
            (lambda: self.generator.generate("x", solver="eular"), medaug.InvalidArgumentError, "solver"),
            (lambda: self.generator.generate_batch(["a"], seeds=[1, 2]), medaug.InvalidArgumentError, "seeds"),
            (lambda: medaug.evaluate("/nowhere"), medaug.MedaugError, ""),
            (lambda: medaug.evaluate(self.folder, unknown=1), medaug.UsageError, "unknown"),
            (lambda: medaug.train({"training": {"batch_sise": 1}}, f"{self.folder}/no"), medaug.ConfigError, "batch_size"),
            (lambda: medaug.augment("/nowhere", "x.jsonl", f"{self.folder}/no2"), medaug.MedaugError, ""),
        ]
        for act, kind, part in cases:
            with self.assertRaises(kind) as caught:
                act()
            self.assertIn(part, str(caught.exception))
        self.assertTrue(issubclass(medaug.DataError, ValueError) and issubclass(medaug.ResourceError, OSError))

    def test_progress(self):
        seen = []
        self.generator.generate("x", num_inference_steps=4, progress=lambda step, steps: seen.append((step, steps)))
        self.assertEqual(seen, [(1, 4), (2, 4), (3, 4), (4, 4)])

        def stop(step, steps):
            raise KeyError("enough")
        with self.assertRaises(KeyError):
            self.generator.generate("x", num_inference_steps=400, progress=stop)
        self.assertEqual(self.generator.generate("x", num_inference_steps=1).size, (SIDE, SIDE))

    def test_other_threads_go_on(self):
        count, done = [0], threading.Event()

        def work():
            while not done.is_set():
                count[0] += 1
        thread = threading.Thread(target=work)
        thread.start()
        self.generator.generate("x", num_inference_steps=300)
        done.set()
        thread.join()
        self.assertGreater(count[0], 1000)

    def test_data_set(self):
        import torch
        data = SyntheticDataset(self.generator, f"{self.folder}/phantom/val.jsonl", length=6, num_inference_steps=1,
                                batch_size=4)
        sample = data[5]
        self.assertEqual(tuple(sample["image"].shape), (3, SIDE, SIDE))
        self.assertEqual((sample["image"].dtype, sample["mask"].dtype), (torch.float32, torch.int64))
        self.assertTrue(torch.equal(sample["image"], data[5]["image"]))
        first = data[0]["image"]
        data.set_epoch(1)
        self.assertFalse(torch.equal(first, data[0]["image"]))
        loader = torch.utils.data.DataLoader(data, batch_size=3, collate_fn=lambda many: torch.stack([one["image"] for one in many]))
        self.assertEqual([tuple(batch.shape) for batch in loader], [(3, 3, SIDE, SIDE)] * 2)
        with self.assertRaises(IndexError):
            data[6]

    def test_evaluate(self):
        seen = []
        found = medaug.evaluate(f"{self.folder}/phantom/val.jsonl", f"{self.folder}/phantom/val.jsonl",
                                progress=lambda done, total: seen.append(done))
        self.assertEqual(found["image_quality"]["ssim"]["mean"], 1.0)
        self.assertTrue(seen)
        self.assertIn("SSIM", found.summary())
        found.write_report(f"{self.folder}/report.html")
        self.assertGreater(os.path.getsize(f"{self.folder}/report.html"), 10000)

    def test_train_and_augment(self):
        steps = []
        config = {"data": {"train_data": f"{self.folder}/phantom/train.jsonl", "val_data": f"{self.folder}/phantom/val.jsonl",
                           "allow_outside": True, "image_size": SIDE, "mask_classes": 2},
                  "model": {"preset": "tiny"}, "text": {"dim": 32, "layers": 1, "vocabulary": 300},
                  "training": {"max_steps": 4, "num_epochs": 0, "batch_size": 4, "sample_count": 0}}
        medaug.train(config, f"{self.folder}/runs/python", progress=steps.append)
        self.assertEqual([one["step"] for one in steps], [1, 2, 3, 4])
        seen = []
        medaug.augment(f"{self.folder}/runs/python", f"{self.folder}/phantom/train.jsonl", f"{self.folder}/augmented",
                       count=6, allow_outside=True, progress=lambda done, total: seen.append((done, total)))
        self.assertEqual(seen[-1], (6, 6))
        with open(f"{self.folder}/augmented/manifest.jsonl", encoding="utf-8") as file:
            self.assertEqual(len([json.loads(line) for line in file]), 6)

    def test_info(self):
        info = self.generator.info
        self.assertEqual((info["image_size"], info["mask_classes"], info["channels"]), (SIDE, 2, 3))
        self.assertEqual(len(info["sha256"]), 64)


if __name__ == "__main__":
    serving.main("python_package_test")
