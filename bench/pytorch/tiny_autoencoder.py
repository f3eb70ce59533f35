# SPDX-License-Identifier: MIT
"""tiny_autoencoder.py FOLDER MANIFEST [--minutes 4] [--side 64]: a small AutoencoderKL of diffusers (a quarter of the side,
four latent channels) trained on the images of a manifest, for bench/lineage_masks.sh."""

import argparse
import json
import os
import time

import numpy as np
import torch
from diffusers import AutoencoderKL
from PIL import Image


def images_of(manifest, side):
    folder, images = os.path.dirname(manifest), []
    with open(manifest) as lines:
        for line in lines:
            image = Image.open(os.path.join(folder, json.loads(line)["image_path"])).convert("RGB")
            images.append(np.asarray(image.resize((side, side), Image.BICUBIC)))
    return torch.from_numpy(np.stack(images)).permute(0, 3, 1, 2).float() / 127.5 - 1


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder")
    parser.add_argument("manifest")
    parser.add_argument("--minutes", type=float, default=4.0)
    parser.add_argument("--side", type=int, default=64)
    options = parser.parse_args()
    torch.manual_seed(0)
    images = images_of(options.manifest, options.side)
    widths = (32, 64, 64)
    model = AutoencoderKL(down_block_types=("DownEncoderBlock2D",) * 3, up_block_types=("UpDecoderBlock2D",) * 3,
                          block_out_channels=widths, layers_per_block=1, latent_channels=4, norm_num_groups=16,
                          sample_size=options.side)
    optimizer = torch.optim.AdamW(model.parameters(), lr=2e-3, weight_decay=0.0)
    begin, steps = time.time(), 0
    while (done := (time.time() - begin) / (60 * options.minutes)) < 1:
        for group in optimizer.param_groups:
            group["lr"] = 2e-3 * min(1, (steps + 1) / 100) * (1 - done)
        x = images[torch.randint(len(images), (16,))]
        posterior = model.encode(x).latent_dist
        loss = (model.decode(posterior.sample()).sample - x).square().mean() + 1e-6 * posterior.kl().mean()
        optimizer.zero_grad()
        loss.backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimizer.step()
        steps += 1
    with torch.no_grad():
        latents = torch.cat([model.encode(x).latent_dist.mean for x in images[:256].split(32)])
    model.register_to_config(scaling_factor=float(1 / latents.std()))
    model.save_pretrained(options.folder)
    print(f"{steps} steps, last squared error {loss.item():.4f}, latents times {1 / latents.std():.3f}")


if __name__ == "__main__":
    main()
