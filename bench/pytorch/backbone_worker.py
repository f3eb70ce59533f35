# SPDX-License-Identifier: MIT
"""backbone_worker.py FOLDER OUT float32|bfloat16: the commands of `backbone_bench worker` with diffusers."""

import os
import sys

import torch
from diffusers import LuminaNextDiT2DModel
from diffusers.models.embeddings import get_2d_rotary_pos_embed_lumina

import safetensors_file
from answer import Watch

ROTARY_SIDE = 384  # as diffusers' pipeline makes the table


class Worker:
    def __init__(self, folder, dtype):
        self.model = LuminaNextDiT2DModel.from_pretrained(os.path.join(folder, "diffusers"), torch_dtype=dtype)
        self.model.eval().requires_grad_(False)
        config = self.model.config
        self.rotary = get_2d_rotary_pos_embed_lumina(
            config.hidden_size // config.num_attention_heads, ROTARY_SIDE, ROTARY_SIDE)
        inputs = safetensors_file.read(os.path.join(folder, "input.safetensors"))[0]
        self.x, self.caption = inputs["x"].to(dtype), inputs["caption"].to(dtype)
        self.time, self.mask = inputs["time"].to(dtype), inputs["caption_mask"].long()

    def run(self, count):
        out = self.model(self.x[:count], self.time[:count], self.caption[:count], self.mask[:count], self.rotary,
                         cross_attention_kwargs={}, return_dict=False)[0]
        return out.chunk(2, dim=1)[0]

    def gradients(self):
        self.model.requires_grad_(True)
        self.run(1).float().square().mean().backward()
        self.model.zero_grad(set_to_none=True)
        self.model.requires_grad_(False)


def main():
    folder, out, dtype = sys.argv[1:4]
    loading = Watch()
    worker = Worker(folder, {"float32": torch.float32, "bfloat16": torch.bfloat16}[dtype])
    loading.answer()
    for line in sys.stdin:
        watch = Watch()
        if line.strip() == "gradients":
            worker.gradients()
            watch.answer()
            continue
        with torch.no_grad():
            velocity = worker.run(len(worker.x))
        watch.stop()
        if line.strip() == "check":
            safetensors_file.write(out, {"velocity": velocity.float()})
        watch.answer()


if __name__ == "__main__":
    main()
