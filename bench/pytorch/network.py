# SPDX-License-Identifier: MIT
"""The network of medaug in PyTorch, as one would write it for speed: fused attention and norms of the library, images
channels last, parameters under the same names. Shapes: N images, T tokens, D width, L caption tokens."""

import math

import torch
import torch.nn.functional as F
from torch import nn


def patchify(x, p):
    n, c, h, w = x.shape
    x = x.reshape(n, c, h // p, p, w // p, p).permute(0, 2, 4, 1, 3, 5)
    return x.reshape(n, (h // p) * (w // p), c * p * p)


def unpatchify(tokens, p, h, w):
    n = tokens.shape[0]
    x = tokens.reshape(n, h // p, w // p, p, p, -1).permute(0, 5, 1, 3, 2, 4)
    return x.reshape(n, -1, h, w)


def rms(x, weight, eps=1e-5):
    return F.rms_norm(x, x.shape[-1:], weight.to(x.dtype), eps)


class Norm(nn.Module):
    def __init__(self, width, bias=False):
        super().__init__()
        self.weight = nn.Parameter(torch.ones(width))
        if bias:
            self.bias = nn.Parameter(torch.zeros(width))


class Indexed(nn.Module):
    def __init__(self, **layers):
        super().__init__()
        for index, layer in layers.items():
            self.add_module(index.lstrip("_"), layer)


def rotate(x, rotary):
    """x (N, heads, T, d), rotary (T, d / 2) complex as (cos, sin)."""
    cos, sin = rotary
    a, b = x.unflatten(-1, (-1, 2)).unbind(-1)
    return torch.stack((a * cos - b * sin, a * sin + b * cos), -1).flatten(-2)


def split(x, heads):
    return x.unflatten(-1, (heads, -1)).transpose(1, 2)


class Attention(nn.Module):
    def __init__(self, dim, heads, caption):
        super().__init__()
        self.heads = heads
        for name, width in (("wq", dim), ("wk", dim), ("wv", dim), ("wo", dim), ("wk_y", caption), ("wv_y", caption)):
            self.add_module(name, nn.Linear(width, dim, bias=False))
        self.gate = nn.Parameter(torch.zeros(heads))
        self.q_norm, self.k_norm, self.ky_norm = (Norm(dim, bias=True) for _ in range(3))

    def forward(self, x, caption, rotary, caption_mask):
        def normed(y, norm):
            return F.layer_norm(y, y.shape[-1:], norm.weight.to(y.dtype), norm.bias.to(y.dtype), 1e-5)

        q = rotate(split(normed(self.wq(x), self.q_norm), self.heads), rotary).to(x.dtype)
        k = rotate(split(normed(self.wk(x), self.k_norm), self.heads), rotary).to(x.dtype)
        v = split(self.wv(x), self.heads)
        ky = split(normed(self.wk_y(caption), self.ky_norm), self.heads)
        vy = split(self.wv_y(caption), self.heads)
        out = F.scaled_dot_product_attention(q, k, v.to(q.dtype))
        cross = F.scaled_dot_product_attention(q, ky.to(q.dtype), vy.to(q.dtype), attn_mask=caption_mask)
        out = out + self.gate.tanh().to(out.dtype).view(1, -1, 1, 1) * cross
        return self.wo(out.transpose(1, 2).flatten(2))


class FeedForward(nn.Module):
    def __init__(self, dim, hidden):
        super().__init__()
        self.w1, self.w2, self.w3 = (nn.Linear(a, b, bias=False) for a, b in ((dim, hidden), (hidden, dim), (dim, hidden)))

    def forward(self, x):
        return self.w2(F.silu(self.w1(x)) * self.w3(x))


class Block(nn.Module):
    def __init__(self, dim, heads, hidden, caption, shared):
        super().__init__()
        self.attention = Attention(dim, heads, caption)
        self.feed_forward = FeedForward(dim, hidden)
        for name in ("attention_norm1", "attention_norm2", "ffn_norm1", "ffn_norm2"):
            self.add_module(name, Norm(dim))
        self.attention_y_norm = Norm(caption)
        if shared:
            self.modulation_offset = nn.Parameter(torch.zeros(4 * dim))
        else:
            self.adaLN_modulation = Indexed(_1=nn.Linear(min(dim, 1024), 4 * dim))

    def forward(self, x, condition, caption, rotary, caption_mask):
        if hasattr(self, "modulation_offset"):
            modulation = condition + self.modulation_offset
        else:
            modulation = self.adaLN_modulation.get_submodule("1")(condition)
        scale1, gate1, scale2, gate2 = modulation.unsqueeze(1).chunk(4, -1)
        y = rms(caption, self.attention_y_norm.weight)
        h = rms(x, self.attention_norm1.weight) * (1 + scale1).to(x.dtype)
        h = self.attention(h, y, rotary, caption_mask)
        x = x + gate1.tanh().to(x.dtype) * rms(h, self.attention_norm2.weight)
        h = self.feed_forward(rms(x, self.ffn_norm1.weight) * (1 + scale2).to(x.dtype))
        return x + gate2.tanh().to(x.dtype) * rms(h, self.ffn_norm2.weight)


class Conv3x3(nn.Module):
    """Narrow channel counts are padded to 16: without it the weight gradient of the first and the last convolution
    takes longer than the rest of the step, and the comparison would be unfair to PyTorch."""

    def __init__(self, inputs, outputs):
        super().__init__()
        self.weight = nn.Parameter(torch.zeros(outputs, inputs, 3, 3))
        self.bias = nn.Parameter(torch.zeros(outputs))

    def forward(self, x):
        return conv3x3(x, self.weight, self.bias)


def conv3x3(x, weight, bias):
    outputs, inputs = weight.shape[:2]
    more_in, more_out = -inputs % 16, -outputs % 16
    if more_in:
        x, weight = F.pad(x, (0, 0, 0, 0, 0, more_in)), F.pad(weight, (0, 0, 0, 0, 0, more_in))
    if more_out:
        weight, bias = F.pad(weight, (0, 0, 0, 0, 0, 0, 0, more_out)), F.pad(bias, (0, more_out))
    x = x.contiguous(memory_format=torch.channels_last)
    return F.conv2d(x, weight, bias, padding=1)[:, :outputs]


class ConvBlock(nn.Module):
    def __init__(self, channels, condition):
        super().__init__()
        self.norm1, self.norm2 = Norm(channels), Norm(channels)
        self.modulation = nn.Linear(condition, channels)
        self.conv1, self.conv2 = Conv3x3(channels, channels), Conv3x3(channels, channels)

    def forward(self, x, condition):
        scale = (1 + self.modulation(condition)).view(x.shape[0], 1, 1, -1).to(x.dtype)
        h = F.silu(rms(x.permute(0, 2, 3, 1), self.norm1.weight) * scale)
        h = self.conv1(h.permute(0, 3, 1, 2))
        h = F.silu(rms(h.permute(0, 2, 3, 1), self.norm2.weight))
        return x + self.conv2(h.permute(0, 3, 1, 2))


def on_pixels(linear, x):
    return linear(x.permute(0, 2, 3, 1)).permute(0, 3, 1, 2)


def space_to_depth(x, p):
    """(N, C, H, W) to (N, p p C, H / p, W / p), features in the order (row, column, channel)."""
    if p == 1:
        return x
    n, c, h, w = x.shape
    x = x.permute(0, 2, 3, 1).reshape(n, h // p, p, w // p, p, c).permute(0, 1, 3, 2, 4, 5)
    return x.reshape(n, h // p, w // p, p * p * c).permute(0, 3, 1, 2)


def depth_to_space(x, p):
    if p == 1:
        return x
    n, c, h, w = x.shape
    x = x.permute(0, 2, 3, 1).reshape(n, h, w, p, p, c // (p * p)).permute(0, 1, 3, 2, 4, 5)
    return x.reshape(n, h * p, w * p, c // (p * p)).permute(0, 3, 1, 2)


class ConvEnds(nn.Module):
    def __init__(self, channels, patch, condition, image, planes):
        super().__init__()
        self.channels, self.patch = channels, patch >> (len(channels) - 1)
        self.conv_in, self.mask_in = Conv3x3(image, channels[0]), Conv3x3(planes, channels[0])
        for i, c in enumerate(channels):
            self.add_module(f"down_block_{i}", ConvBlock(c, condition))
            self.add_module(f"up_block_{i}", ConvBlock(c, condition))
            self.add_module(f"merge_{i}", nn.Linear(2 * c, c))
            if i + 1 < len(channels):
                self.add_module(f"down_{i}", nn.Linear(4 * c, channels[i + 1]))
                self.add_module(f"up_{i}", nn.Linear(channels[i + 1], 4 * c))
        self.norm_out, self.conv_out = Norm(channels[0]), Conv3x3(channels[0], image)

    def encode(self, x, mask, condition):
        weight = torch.cat((self.conv_in.weight, self.mask_in.weight), 1)
        h = conv3x3(torch.cat((x, mask), 1), weight, self.conv_in.bias + self.mask_in.bias)
        skips = []
        for i in range(len(self.channels)):
            h = self.get_submodule(f"down_block_{i}")(h, condition)
            skips.append(h)
            if i + 1 < len(self.channels):
                h = on_pixels(self.get_submodule(f"down_{i}"), space_to_depth(h, 2))
        return space_to_depth(h, self.patch).flatten(2).transpose(1, 2), skips

    def decode(self, tokens, skips, condition):
        last = skips[-1]
        h = tokens.transpose(1, 2).unflatten(2, (last.shape[2] // self.patch, last.shape[3] // self.patch))
        h = depth_to_space(h, self.patch)
        for i in reversed(range(len(self.channels))):
            if i + 1 < len(self.channels):
                h = depth_to_space(on_pixels(self.get_submodule(f"up_{i}"), h), 2)
            h = on_pixels(self.get_submodule(f"merge_{i}"), torch.cat((h, skips[i]), 1))
            h = self.get_submodule(f"up_block_{i}")(h, condition)
        h = F.silu(rms(h.permute(0, 2, 3, 1), self.norm_out.weight)).permute(0, 3, 1, 2)
        return self.conv_out(h)


class NextDiT(nn.Module):
    def __init__(self, o):
        super().__init__()
        dim, caption, patch, image, planes = o["dim"], o["caption"], o["patch_size"], o["image"], o["mask"] + 1
        self.heads, self.patch, width = o["heads"], patch, min(dim, 1024)
        channels = o["conv_channels"]
        token, final = patch * patch * image, patch * patch * image
        if channels:
            self.ends = ConvEnds(channels, patch, width, image, planes)
            token = final = self.ends.patch**2 * channels[-1]
        else:
            self.mask_embedder = nn.Linear(patch * patch * planes, dim)
        self.pad_token = nn.Parameter(torch.zeros(dim))
        self.x_embedder = nn.Linear(token, dim)
        self.mask_mid = nn.Linear(patch * patch * planes, dim)
        self.t_embedder = nn.Module()
        self.t_embedder.mlp = Indexed(_0=nn.Linear(256, width), _2=nn.Linear(width, width))
        self.cap_embedder = Indexed(_0=Norm(caption, bias=True), _1=nn.Linear(caption, width))
        if o["shared_modulation"]:
            self.shared_modulation = nn.Linear(width, 4 * dim)
        self.layers = nn.ModuleList(
            Block(dim, o["heads"], o["ffn_hidden"], caption, o["shared_modulation"]) for _ in range(o["layers"])
        )
        self.final_layer = nn.Module()
        self.final_layer.linear = nn.Linear(dim, final)
        self.final_layer.adaLN_modulation = Indexed(_1=nn.Linear(width, dim))
        self.rotary = None

    def rotary_table(self, rows, columns, d, like):
        if self.rotary is None or self.rotary[0].shape[0] != rows * columns:
            frequency = 10000.0 ** (-4.0 * torch.arange(d // 4, dtype=torch.float64) / d)
            places = torch.cartesian_prod(torch.arange(rows), torch.arange(columns)).to(torch.float64)
            angles = torch.stack((places[:, :1] * frequency, places[:, 1:] * frequency), -1).flatten(1)
            self.rotary = angles.cos().to(like), angles.sin().to(like)
        return self.rotary

    def condition(self, time, caption, token_mask):
        k = torch.arange(128, dtype=torch.float32, device=time.device)
        angles = time[:, None] * torch.exp(-math.log(10000.0) / 128 * k)
        mlp = self.t_embedder.mlp
        condition = mlp.get_submodule("2")(F.silu(mlp.get_submodule("0")(torch.cat((angles.cos(), angles.sin()), 1))))
        real = token_mask.float().unsqueeze(-1)
        mean = (caption.float() * real).sum(1) / real.sum(1)
        norm, pool = self.cap_embedder.get_submodule("0"), self.cap_embedder.get_submodule("1")
        condition = condition + pool(F.layer_norm(mean, mean.shape[-1:], norm.weight, norm.bias, 1e-5))
        return F.silu(condition)

    def forward(self, x, time, caption, token_mask, mask):
        n, _, height, width = x.shape
        condition = self.condition(time, caption, token_mask)
        planes = torch.cat((mask * 2 - 1, torch.ones_like(mask[:, :1])), 1)
        mask_tokens = patchify(planes, self.patch)
        if hasattr(self, "ends"):
            tokens, skips = self.ends.encode(x, planes, condition)
            tokens = self.x_embedder(tokens)
        else:
            tokens = self.x_embedder(patchify(x, self.patch)) + self.mask_embedder(mask_tokens)
        d = tokens.shape[-1] // self.heads
        rotary = self.rotary_table(height // self.patch, width // self.patch, d, torch.float32)
        caption_mask = token_mask[:, None, None, :]
        shared = self.shared_modulation(condition) if hasattr(self, "shared_modulation") else condition
        for i, block in enumerate(self.layers):
            if i == len(self.layers) // 2:
                tokens = tokens + self.mask_mid(mask_tokens)
            tokens = block(tokens, shared, caption, rotary, caption_mask)
        scale = 1 + self.final_layer.adaLN_modulation.get_submodule("1")(condition).unsqueeze(1)
        tokens = self.final_layer.linear(F.layer_norm(tokens, tokens.shape[-1:], eps=1e-6) * scale.to(tokens.dtype))
        if hasattr(self, "ends"):
            return self.ends.decode(tokens, skips, condition)
        return unpatchify(tokens, self.patch, height, width)


class TextLayer(nn.Module):
    def __init__(self, dim, heads):
        super().__init__()
        self.heads = heads
        self.norm1, self.norm2 = Norm(dim), Norm(dim)
        for name, a, b in (("q", 1, 1), ("k", 1, 1), ("v", 1, 1), ("out", 1, 1), ("w1", 1, 2), ("w2", 2, 1), ("w3", 1, 2)):
            self.add_module(name, nn.Linear(a * dim, b * dim, bias=False))

    def forward(self, x, mask):
        h = rms(x, self.norm1.weight)
        q, k, v = (split(f(h), self.heads) for f in (self.q, self.k, self.v))
        x = x + self.out(F.scaled_dot_product_attention(q, k, v, attn_mask=mask).transpose(1, 2).flatten(2))
        h = rms(x, self.norm2.weight)
        return x + self.w2(F.silu(self.w1(h)) * self.w3(h))


class TextEncoder(nn.Module):
    def __init__(self, vocabulary, places, dim, layers, heads):
        super().__init__()
        self.embedding = nn.Parameter(torch.zeros(vocabulary, dim))
        self.places = nn.Parameter(torch.zeros(places, dim))
        self.layers = nn.ModuleList(TextLayer(dim, heads) for _ in range(layers))
        self.norm = Norm(dim)

    def forward(self, ids, mask):
        x = F.embedding(ids, self.embedding) + self.places[: ids.shape[1]]
        for layer in self.layers:
            x = layer(x, mask[:, None, None, :])
        return rms(x, self.norm.weight)


class Generator(nn.Module):
    """Text encoder, image model and the preconditioning around it."""

    def __init__(self, o):
        super().__init__()
        self.text = TextEncoder(o["vocabulary"], o["places"], o["caption"], o["text_layers"], o["text_heads"])
        self.dit = NextDiT(o)
        self.std, self.noise_scale, self.clip = o["data_std"], o["noise_scale"], o["clip"]

    def image(self, z, time, caption, token_mask, mask):
        """x-hat at (z, time)."""
        t = time.view(-1, 1, 1, 1)
        variance = (t * self.std) ** 2 + ((1 - t) * self.noise_scale) ** 2
        raw = self.dit(z * variance.rsqrt(), time, caption, token_mask, mask).float()
        return t * self.std**2 / variance * z + variance.rsqrt() * (1 - t) * self.std * self.noise_scale * raw

    def loss(self, images, noise, time, tokens, token_mask, mask):
        """Per-sample v-loss."""
        t = time.view(-1, 1, 1, 1)
        z = images * t + noise * ((1 - t) * self.noise_scale)
        guess = self.image(z, time, self.text(tokens, token_mask), token_mask, mask)
        square = F.mse_loss(guess, images, reduction="none").flatten(1).mean(1)
        return square / (1 - time).clamp_min(self.clip) ** 2


def options_of(tensors, metadata):
    weights = {name[7:]: tensor for name, tensor in tensors.items() if name.startswith("weight.")}
    vocabulary, caption = weights["text.embedding"].shape
    o = {
        name: int(metadata[name])
        for name in ("patch_size", "dim", "layers", "heads", "ffn_hidden", "shared_modulation", "text_layers", "text_heads")
    }
    o.update({name: float(metadata[name]) for name in ("data_std", "noise_scale", "clip")})
    o.update(
        vocabulary=vocabulary,
        caption=caption,
        places=weights["text.places"].shape[0],
        image=tensors["images"].shape[1],
        mask=tensors["mask"].shape[1],
        conv_channels=[int(c) for c in metadata["conv_channels"].split(",") if c],
    )
    return o, weights
