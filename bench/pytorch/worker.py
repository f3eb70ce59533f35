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
        """DPM-Solver++ 2M in x-form."""
        tokens, token_mask, mask = (condition[:count] for condition in self.conditions)
        grid = self.times()
        z = self.case["sampling_noise"][:count] * self.model.noise_scale
        before = None
        with self.autocast():
            caption = self.text(tokens, token_mask)
            for t, after in zip(grid, grid[1:]):
                x = self.image(z, torch.full((len(z),), t, device=z.device), caption, token_mask, mask)
                step = z * ((1 - after) / (1 - t)) + x * ((after - t) / (1 - t))
                if before is not None and before[0] > 0 and after < 1:
                    logit = [math.log(s / (1 - s)) for s in (before[0], t, after)]
                    h = logit[2] - logit[1]
                    ratio = (logit[1] - logit[0]) / h
                    step = step - (x - before[1]) * (0.5 / ratio * after * math.expm1(-h))
                z, before = step, (t, x)
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
