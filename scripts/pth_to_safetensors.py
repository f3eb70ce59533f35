#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Converts a file of torch.save (a state dict, old or zip format) to safetensors, without PyTorch.

    pth_to_safetensors.py FILE.pth FILE.safetensors

Only names, shapes and numbers are read: a pickle that asks for anything else is refused, so that a file from elsewhere
cannot run code."""

import collections
import io
import json
import os
import pickle
import struct
import sys
import zipfile

DTYPES = {"FloatStorage": ("F32", 4), "DoubleStorage": ("F64", 8), "HalfStorage": ("F16", 2),
          "BFloat16Storage": ("BF16", 2), "LongStorage": ("I64", 8), "IntStorage": ("I32", 4), "ByteStorage": ("U8", 1)}
MAGIC = 0x1950A86A20F9469CFC6C


class Tensor:
    def __init__(self, storage, offset, shape, stride, *_):
        self.storage, self.offset, self.shape, self.stride = storage, offset, shape, stride

    def bytes(self, data):
        """Elements in row-major order, whatever the strides."""
        elements = memoryview(data).cast({1: "B", 2: "H", 4: "I", 8: "Q"}[DTYPES[self.storage[1]][1]])
        last = self.offset + sum((side - 1) * step for side, step in zip(self.shape, self.stride))
        if min(self.shape, default=1) > 0 and last >= len(elements):
            raise ValueError("a tensor reaches over the end of its storage")
        parts = []

        def walk(place, axis):
            if axis == len(self.shape):
                parts.append(elements[place:place + 1].tobytes())
            elif axis == len(self.shape) - 1 and self.stride[axis] > 0:
                end = place + self.stride[axis] * (self.shape[axis] - 1) + 1
                parts.append(elements[place:end:self.stride[axis]].tobytes())
            else:
                for i in range(self.shape[axis]):
                    walk(place + i * self.stride[axis], axis + 1)

        if min(self.shape, default=1) > 0:
            walk(self.offset, 0)
        return b"".join(parts)


class Reader(pickle.Unpickler):
    ALLOWED = {("collections", "OrderedDict"): collections.OrderedDict,
               ("torch._utils", "_rebuild_tensor_v2"): Tensor,
               ("torch._utils", "_rebuild_parameter"): lambda data, *_: data}

    def find_class(self, module, name):
        if module == "torch" and name in DTYPES:
            return name
        if (module, name) in self.ALLOWED:
            return self.ALLOWED[module, name]
        raise ValueError(f"the file holds more than tensors ({module}.{name})")

    def persistent_load(self, identity):
        kind, storage, key = identity[:3]
        if kind != "storage":
            raise ValueError(f"unknown part {kind!r}")
        return (key, storage)


def read_old(file):
    """Magic number, protocol, system, state dict, list of storages, then each storage."""
    if Reader(file).load() != MAGIC:
        raise ValueError("no file of torch.save")
    Reader(file).load()
    Reader(file).load()
    state = Reader(file).load()
    keys = Reader(file).load()
    kinds = {value.storage[0]: value.storage[1] for value in state.values()}
    storages = {}
    for key in keys:
        (count,) = struct.unpack("<q", file.read(8))
        storages[key] = file.read(count * DTYPES[kinds[key]][1])
    return state, storages


def read_zip(path):
    with zipfile.ZipFile(path) as archive:
        root = next(name for name in archive.namelist() if name.endswith("data.pkl"))[:-len("data.pkl")]
        state = Reader(io.BytesIO(archive.read(root + "data.pkl"))).load()
        keys = {value.storage[0] for value in state.values()}
        return state, {key: archive.read(f"{root}data/{key}") for key in keys}


def write(path, state, storages):
    header, place, parts = {}, 0, []
    # Wide types first: every tensor then begins at a multiple of its element size.
    for name, value in sorted(state.items(), key=lambda item: -DTYPES[item[1].storage[1]][1]):
        data = value.bytes(storages[value.storage[0]])
        header[name] = {"dtype": DTYPES[value.storage[1]][0], "shape": list(value.shape),
                        "data_offsets": [place, place + len(data)]}
        place += len(data)
        parts.append(data)
    text = json.dumps(header).encode()
    text += b" " * (-len(text) % 8)
    with open(path + ".part", "wb") as file:
        file.write(struct.pack("<Q", len(text)) + text)
        file.writelines(parts)
    os.replace(path + ".part", path)


def main():
    if len(sys.argv) != 3:
        sys.exit(__doc__)
    source, target = sys.argv[1:]
    try:
        if zipfile.is_zipfile(source):
            state, storages = read_zip(source)
        else:
            with open(source, "rb") as file:
                state, storages = read_old(file)
        if not isinstance(state, dict) or not all(isinstance(value, Tensor) for value in state.values()):
            raise ValueError("it is no state dict of tensors alone: save model.state_dict()")
        write(target, state, storages)
    except (ValueError, KeyError, OSError, pickle.UnpicklingError, EOFError, struct.error, StopIteration) as error:
        sys.exit(f"pth_to_safetensors: {source}: {error}")


if __name__ == "__main__":
    main()
