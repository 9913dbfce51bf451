"""Inputs that both sides make for themselves, so that megabytes of weights need not be stored, and the digests of large
results. tests/golden/seeded.c is the same in C, bit for bit: integers, and float32 products rounded once."""
import math

import numpy as np

PROBES, PICKS = 4, 26
WHOLE = 2 + PROBES + PICKS  # tensors up to this size are stored as they are; a digest is as long


def key_of(name):
    """FNV-1a of the name, 64 bits."""
    h = 0xCBF29CE484222325
    for byte in name.encode():
        h = (h ^ byte) * 0x100000001B3 % 2**64
    return h


def bits(name, n):
    """n counter-based 64-bit numbers: splitmix64 (Steele, Lea and Flood, 2014) at key + 1, 2, ... steps."""
    z = np.uint64(key_of(name)) + np.arange(1, n + 1, dtype=np.uint64) * np.uint64(0x9E3779B97F4A7C15)
    z = (z ^ (z >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    z = (z ^ (z >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return z ^ (z >> np.uint64(31))


def unit(name, n):
    """float32 multiples of 2^-23 in [-1, 1)."""
    return ((bits(name, n) >> np.uint64(40)).astype(np.int64) - 2**23).astype(np.float32) * np.float32(2**-23)


def pixels(name, n):
    """uint8."""
    return (bits(name, n) >> np.uint64(56)).astype(np.uint8)


def parameter(name, shape):
    """The value of a parameter or running statistic, by the last part of its name. 2.25: with the running statistics given,
    the image still shows in a network's outputs, and they do not explode in the deepest one."""
    u = unit(name, math.prod(shape))
    if len(shape) == 4:
        u = u * np.float32(2.25 / math.sqrt(math.prod(shape[1:])))
    elif name.endswith(("bn.weight", "bn.running_var")):
        u = np.float32(1) + u / np.float32(2)
    else:
        u = u / np.float32(2)
    return u.reshape(shape)


def digest(name, x):
    """What is stored of a tensor: all of it when small; else its norm, its largest magnitude, PROBES sums under random signs
    (which see every element) and PICKS elements."""
    x = np.asarray(x, np.float64).reshape(-1)
    if x.size <= WHOLE:
        return x
    z = bits(name, x.size)
    probes = [np.where(z >> np.uint64(k) & np.uint64(1), -x, x).sum() for k in range(PROBES)]
    picks = bits(name + "#pick", PICKS) % np.uint64(x.size)
    return np.concatenate([[np.sqrt((x * x).sum()), np.abs(x).max()], probes, x[picks.astype(np.int64)]])
