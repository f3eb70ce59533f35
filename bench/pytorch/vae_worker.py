# SPDX-License-Identifier: MIT
"""vae_worker.py FOLDER OUT float32|bfloat16 [channels_last]: the commands of `vae_bench worker` with diffusers."""

import os
import sys

import torch
from diffusers import AutoencoderKL

import safetensors_file
from answer import Watch


def main():
    folder, out, dtype = sys.argv[1:4]
    dtype = {"float32": torch.float32, "bfloat16": torch.bfloat16}[dtype]
    model = AutoencoderKL.from_pretrained(folder, torch_dtype=dtype).eval()
    if "channels_last" in sys.argv[4:]:
        model.to(memory_format=torch.channels_last)
    latent = safetensors_file.read(os.path.join(folder, "latent.safetensors"))[0]["latent"].to(dtype)
    image = None

    Watch().answer()
    for line in sys.stdin:
        watch = Watch()
        with torch.no_grad():
            if line.strip() == "encode":
                model.encode(image).latent_dist.mode()
            else:
                image = None
                image = model.decode(latent / model.config.scaling_factor).sample
        watch.stop()
        if line.strip() == "check":
            safetensors_file.write(out, {"image": image.float()})
        watch.answer()


if __name__ == "__main__":
    main()
