# SPDX-License-Identifier: MIT
"""worker.py FILE OUT eager|compile|float32 [cuda]: the commands of `step_bench worker` in PyTorch."""

import contextlib
import math
import resource
import sys
import time

import torch

import network
import safetensors_file


class Worker:
    def __init__(self, path, mode, device):
        torch.manual_seed(1)
        self.device = device
        case, self.metadata = safetensors_file.read(path)
        self.case = {name: tensor.to(device) for name, tensor in case.items()}
        options, weights = network.options_of(self.case, self.metadata)
        self.model = network.Generator(options)
        self.model.load_state_dict(weights)
        self.model.to(device)
        self.amp = mode != "float32"
        self.weights = [parameter.detach() for parameter in self.model.parameters()]
        self.averages = [[weight.clone() for weight in self.weights] for _ in range(2)]
        self.loss, self.image, self.text = self.model.loss, self.model.image, self.model.text
        if mode == "compile":
            self.loss, self.image = torch.compile(self.model.loss), torch.compile(self.model.image)
            self.text = torch.compile(self.model.text)
        self.optimizer = torch.optim.AdamW(self.model.parameters(), lr=1e-4, weight_decay=0.0, fused=True)
        self.conditions = [self.case[name] for name in ("tokens", "token_mask", "mask")]

    def autocast(self):
        return torch.autocast(self.device, torch.bfloat16) if self.amp else contextlib.nullcontext()

    def backward(self):
        with self.autocast():
            loss = self.loss(self.case["images"], self.case["noise"], self.case["time"], *self.conditions)
        loss.mean().backward()
        return loss.detach()

    def wait(self):
        if self.device == "cuda":
            torch.cuda.synchronize()

    def train(self):
        self.backward()
        self.wait()
        begin = time.perf_counter()
        torch.nn.utils.clip_grad_norm_(self.model.parameters(), 1.0, foreach=True)
        self.optimizer.step()
        for decay, average in zip((0.99, 0.999), self.averages):
            torch._foreach_lerp_(average, self.weights, 1 - decay)
        self.optimizer.zero_grad(set_to_none=True)
        self.wait()
        return time.perf_counter() - begin

    @torch.no_grad()
    def forward(self):
        with self.autocast():
            self.loss(self.case["images"], self.case["noise"], self.case["time"], *self.conditions)

    def times(self):
        """0, an even spread of logit t, 1."""
        low, high = (math.log(float(self.metadata[k]) / (1 - float(self.metadata[k]))) for k in ("logit_low", "logit_high"))
        inner = int(self.metadata["steps"]) - 1
        return [0.0] + [1 / (1 + math.exp(-(low + (high - low) * i / (inner - 1)))) for i in range(inner)] + [1.0]

    @torch.no_grad()
    def sample(self, count=None):
        """UniPC of order 2 in x-form with B(h) = expm1(h): each new image first corrects the step that led to it."""
        tokens, token_mask, mask = (condition[:count] for condition in self.conditions)
        grid = self.times()
        z = self.case["sampling_noise"][:count] * self.model.noise_scale
        past, order, start = [], 0, None  # (lambda, image), newest first; the last step's order; where it began
        with self.autocast():
            caption = self.text(tokens, token_mask)
            for t, after in zip(grid, grid[1:]):
                x = self.image(z, torch.full((len(z),), t, device=z.device), caption, token_mask, mask)
                place = math.log(t / (1 - t)) if t > 0 else -math.inf
                if order > 0:
                    h, before = place - past[0][0], past[0][1]
                    decay, change = math.expm1(-h), 0.5 * (x - before)
                    if order == 2:
                        ratio = (past[1][0] - past[0][0]) / h
                        phi = decay / -h - 1
                        right = phi / decay, 2 * (phi / -h - 0.5) / decay
                        weight = (right[0] - right[1]) / (1 - ratio)
                        change = (right[0] - weight) * (x - before) + weight / ratio * (past[1][1] - before)
                    z = start[1] * ((1 - t) / (1 - start[0])) + before * ((t - start[0]) / (1 - start[0]))
                    z = z - change * (t * decay)
                past, start = [(place, x), *past[:1]], (t, z)
                order = 2 if t > 0 and after < 1 and len(past) > 1 and past[1][0] > -math.inf else 1
                step = z * ((1 - after) / (1 - t)) + x * ((after - t) / (1 - t))
                if order == 2:
                    h = math.log(after / (1 - after)) - place
                    ratio = (past[1][0] - place) / h
                    step = step - 0.5 / ratio * (past[1][1] - x) * (after * math.expm1(-h))
                z = step
        return z.clamp(-1, 1)

    def sample_one(self):
        self.sample(1)

    def check(self, out):
        result = {"images": self.sample(), "loss": self.backward()}
        for name, parameter in self.model.named_parameters():
            if parameter.grad is not None:
                result["grad." + name] = parameter.grad.float()
        safetensors_file.write(out, {name: tensor.cpu() for name, tensor in result.items()})
        self.optimizer.zero_grad(set_to_none=True)


def main():
    path, out, mode = sys.argv[1:4]
    worker = Worker(path, mode, "cuda" if sys.argv[4:] == ["cuda"] else "cpu")
    print("ready", flush=True)
    for line in sys.stdin:
        faults = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
        begin = time.perf_counter()
        command = line.strip()
        optimiser = worker.check(out) if command == "check" else getattr(worker, command)()
        worker.wait()
        seconds = time.perf_counter() - begin
        usage = resource.getrusage(resource.RUSAGE_SELF)
        print(seconds, optimiser if command == "train" else 0, usage.ru_minflt - faults, 1024 * usage.ru_maxrss, flush=True)


if __name__ == "__main__":
    main()
