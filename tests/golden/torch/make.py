"""Writes the small .pt files beside it, as PyTorch does: python3 tests/golden/torch/make.py  (needs torch; the bytes differ
between its versions, the contents do not). Element i of each tensor, in row-major order, is i / 4 - 1."""
import argparse
import collections
import os

import torch
from torch import nn

HERE = os.path.dirname(os.path.abspath(__file__))


def values(*shape, dtype=torch.float32):
    n = torch.Size(shape).numel()
    return (torch.arange(n, dtype=torch.float64) / 4 - 1).to(dtype).reshape(shape)


def fill(module):
    with torch.no_grad():
        for t in (*module.parameters(), *(b for b in module.buffers() if b.is_floating_point())):
            t.copy_(values(*t.shape))
    return module


def model(names, args):
    net = nn.Sequential(nn.Sequential(collections.OrderedDict(conv=nn.Conv2d(2, 3, 1, bias=False), bn=nn.BatchNorm2d(3))), nn.SiLU())
    whole = nn.Module()
    whole.model = fill(net)
    whole.names, whole.args = names, args
    return whole


def odd_tensors():
    wide = values(3, 2).t().contiguous().t()  # [3,2] with strides 1, 3
    many = torch.cat([torch.full((5,), 9.0), values(4)])
    return collections.OrderedDict(
        half=values(2, 3, dtype=torch.float16), brain=values(5, dtype=torch.bfloat16), double=values(2, 2, 1, 1, dtype=torch.float64),
        strided=wide, offset=many[5:], scalar=values(), empty=values(0, 7), counter=torch.tensor(12345678901),
        flags=torch.tensor([True, False]), parameter=nn.Parameter(values(2)))


def save(name, what, **how):
    torch.save(what, os.path.join(HERE, name), **how)


save("state-dict.pt", odd_tensors())
save("state-dict-protocol4.pt", odd_tensors(), pickle_protocol=4)
save("legacy.pt", collections.OrderedDict(a=values(2)), _use_new_zipfile_serialization=False)
# as a finished run leaves it, and as a running one does: the weights that count are in `ema`
save("finished.pt", {"epoch": -1, "ema": None, "model": model({0: "cat", 1: "it's"}, {"imgsz": 320}).half(), "train_args": {"imgsz": 96}})
save("running.pt", {"epoch": 7, "best": 0.5, "model": None, "ema": model(["cat"], argparse.Namespace(imgsz=640)), "updates": 1 << 40})
wrapped = {"module._orig_mod.model." + k: v for k, v in model([], None).state_dict().items()}
save("wrapped.pt", {"state_dict": wrapped, "names": {1: "b", 0: "a"}, "train_args": {"imgsz": 64}})
