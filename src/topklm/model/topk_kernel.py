"""TopK on a CPU, one pass per row, compiled by Numba: the entries of `stable_mask`, found sooner.

A row's entries become integers of the same order (`keys`), so that all floating-point types are one
case, -0.0 equals 0.0 and NaN is largest. The threshold sought is a t that exactly k keys reach. It is
found by counting: a secant step from a guess (where the row before ended), halving where that does not
close in. Counting 512 keys takes some thirty vector instructions and a search about six counts; that is
why this is quicker than `torch.topk`, which selects entry by entry. Where ties leave no such t, the
lower indices win.

`topk.py` calls `keep_largest`, `mark_dropped` and `masked`; nobody else needs to. It imports this module
when the kernel is first needed, since Numba takes a moment to import.
"""

import ctypes
import functools
import os
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import numpy as np
import torch
from torch import Tensor

# Counts are float32, exact below 2**24, since Numba widens sums of integers to 64 bits. Added in another
# order they come out the same, so the compiler may reorder.
OPTIONS: dict[str, Any] = {"error_model": "numpy", "fastmath": {"reassoc", "nsz"}}

try:  # `topk.py` asks before it comes here; but where a checkpoint's copy lands, Numba may be missing
    from numba import carray, cfunc, njit, types
except ImportError:
    INTEGERS: dict[int, Any] = {}

    def jitted(function: Any) -> Any:
        """Leave a function as it is."""
        return function

else:
    INTEGERS = {2: types.int16, 4: types.int32, 8: types.int64}
    jitted = njit(**OPTIONS)

INFINITY = {
    torch.float16: 0x7C00,
    torch.bfloat16: 0x7F80,
    torch.float32: 0x7F80_0000,
    torch.float64: 0x7FF0_0000_0000_0000,
}
"""The bits of infinity in each type that the kernel knows; a larger magnitude is NaN."""
ENTRIES_PER_THREAD = 32_768
"""Fewer entries are not worth waking another thread."""
SECANTS = 6
"""Secant steps before every second step is a halving, so that the search always ends."""
BLOCK = 32
"""Keys looked at together when ties are counted off."""


def keep_largest(x: Tensor, k: int, by: str) -> tuple[Tensor, Tensor]:
    """Return contiguous `x` with zeros where it is not kept, and booleans that are true there."""
    result, dropped = torch.empty_like(x), torch.empty_like(x, dtype=torch.bool)
    addresses = x.data_ptr(), result.data_ptr(), dropped.data_ptr()
    size, settings = x.element_size(), (INFINITY[x.dtype], k, by != "magnitude", by == "positive")
    over_rows(keeper(x.dtype), x, addresses, (size, size, 1), *settings)
    return result, dropped


def masked(gradient: Tensor, dropped: Tensor) -> Tensor:
    """Return contiguous `gradient` with zeros where `dropped` is true."""
    result = torch.empty_like(gradient)
    addresses = gradient.data_ptr(), result.data_ptr(), dropped.data_ptr()
    size = gradient.element_size()
    over_rows(masker(gradient.dtype), gradient, addresses, (size, size, 1))
    return result


def over_rows(
    kernel: Callable[..., None], x: Tensor, addresses: tuple[int, ...], sizes: tuple[int, ...], *settings: Any
) -> None:
    """Run a kernel over the rows of `x`, shared among as many threads as torch uses.

    addresses: where each matrix of x's shape begins; sizes: the bytes of an entry of each.
    """
    entries, width = x.numel(), x.shape[-1]
    rows = entries // width
    threads = min(torch.get_num_threads(), rows, entries // ENTRIES_PER_THREAD)
    if threads <= 1:
        kernel(*addresses, rows, width, *settings)
        return

    def run(part: int) -> None:
        first, last = rows * part // threads, rows * (part + 1) // threads
        begins = [a + first * width * size for a, size in zip(addresses, sizes, strict=True)]
        kernel(*begins, last - first, width, *settings)

    others = [helpers().submit(run, part) for part in range(1, threads)]
    run(0)
    for other in others:
        other.result()


@functools.cache
def helpers() -> ThreadPoolExecutor:
    """Return the threads that help the calling one."""
    return ThreadPoolExecutor(os.cpu_count(), thread_name_prefix="topk")


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=helpers.cache_clear)  # threads do not survive a fork


@functools.cache
def keeper(dtype: torch.dtype) -> Callable[..., None]:
    """Compile the selection for a type."""
    return compiled(_keep_rows, dtype, types.int64, types.int64, types.boolean, types.boolean)


@functools.cache
def masker(dtype: torch.dtype) -> Callable[..., None]:
    """Compile the masking of a gradient for a type."""
    return compiled(_mask_rows, dtype)


def compiled(kernel: Callable[..., None], dtype: torch.dtype, *settings: Any) -> Callable[..., None]:
    """Compile a kernel to a C function, which runs without Python's lock; kept on disk if it can be.

    It takes the addresses of two matrices of `dtype` and one of booleans, rows, width, and the settings.
    """
    matrix = types.CPointer(INTEGERS[dtype.itemsize])
    places = [matrix, matrix, types.CPointer(types.uint8), types.int64, types.int64]
    signature = types.void(*places, *settings)
    try:
        function = cfunc(signature, cache=True, **OPTIONS)(kernel)
    except RuntimeError:  # no directory to keep compiled code in
        function = cfunc(signature, **OPTIONS)(kernel)
    kinds = [ctypes.c_bool if one == types.boolean else ctypes.c_int64 for one in settings]
    caller = ctypes.CFUNCTYPE(None, *[ctypes.c_void_p] * 3, ctypes.c_int64, ctypes.c_int64, *kinds)
    call = caller(function.address)
    call.function = function  # type: ignore[attr-defined]  # the code lives as long as this
    return call


def _keep_rows(
    bits_at: Any, out_at: Any, dropped_at: Any, rows: int, width: int, infinity: int, k: int,
    signed: bool, positive: bool,
) -> None:  # fmt: skip
    bits, out = carray(bits_at, (rows, width)), carray(out_at, (rows, width))
    dropped = carray(dropped_at, (rows, width))
    keys, edge = np.empty(width, bits.dtype), np.empty(1, bits.dtype)
    guess, slope = np.int64(0), -1.0  # what one row teaches the next
    for row in range(rows):
        _order(bits[row], keys, edge, infinity, signed)
        guess, slope, cut = _threshold(keys, edge, infinity, k, guess, slope)
        edge[0] = guess
        if positive and guess < 1:
            edge[0], cut = 1, width
        threshold = edge[0]
        for i in range(cut):
            drops = keys[i] < threshold
            dropped[row, i] = drops
            out[row, i] = 0 if drops else bits[row, i]
        for i in range(cut, width):
            drops = keys[i] <= threshold
            dropped[row, i] = drops
            out[row, i] = 0 if drops else bits[row, i]


@jitted
def _order(bits: Any, keys: Any, edge: Any, infinity: int, signed: bool) -> None:
    """Turn one row's bits into integers of the same order."""
    edge[0] = infinity + 1
    nan = edge[0]
    edge[0] = -1
    edge[0] = ~(edge[0] << (8 * edge.itemsize - 1))
    magnitude = edge[0]  # every bit but the sign
    for i in range(keys.shape[0]):
        keys[i] = bits[i] & magnitude
        if keys[i] >= nan:
            keys[i] = nan
        elif signed and bits[i] < 0:
            keys[i] = -keys[i]


@jitted
def _threshold(
    keys: Any, edge: Any, infinity: int, k: int, guess: int, slope: float
) -> tuple[int, float, int]:
    """Find the smallest key that is kept, and the place before which keys equal to it are kept.

    slope: change of the count per key, from the row before; this row's is returned between the two.

    edge: room for one key: an array's entry keeps its narrow type, where Numba would widen a variable,
    and so the loops become vector instructions.
    """
    width = keys.shape[0]
    one, none, wanted = np.float32(1), np.float32(0), np.float32(k)
    low, high, above = -infinity, infinity + 2, none  # every key reaches low; none reaches high
    at, at_before, step = guess, guess, 0
    count_before = np.float32(-1)
    while high - 1 > low:
        if not low < at < high:
            at = (low >> 1) + (high >> 1) + (low & high & 1)
        edge[0] = at
        threshold, count = edge[0], none
        for i in range(width):
            count += one if keys[i] >= threshold else none
        if count == wanted:
            return at, slope, width
        if count > wanted:
            low = at
        else:
            high, above = at, count
        if count_before >= 0 and count != count_before:
            slope = (count - count_before) / np.float64(at - at_before)
        count_before, at_before = count, at
        move = (wanted - count) / slope
        step += 1
        if (step > SECANTS and step % 2) or not abs(move) < np.float64(infinity):
            at = low  # outside the open interval: it will be halved
        elif abs(move) < 1:
            at += 1 if count > wanted else -1
        else:
            at += int(move)
    return low, slope, _cut(keys, edge, low, wanted - above)


@jitted
def _cut(keys: Any, edge: Any, threshold: int, left: Any) -> int:
    """Find the place before which `left` keys equal the threshold: block by block, then one by one."""
    edge[0] = threshold
    equal, cut = edge[0], 0
    one, none = np.float32(1), np.float32(0)
    while left > 0:
        count = none
        for i in range(cut, min(cut + BLOCK, keys.shape[0])):
            count += one if keys[i] == equal else none
        if count < left:
            left -= count
            cut += BLOCK
            continue
        while left > 0:
            left -= one if keys[cut] == equal else none
            cut += 1
    return cut


def _mask_rows(values_at: Any, out_at: Any, dropped_at: Any, rows: int, width: int) -> None:
    count = rows * width
    values, out, dropped = carray(values_at, count), carray(out_at, count), carray(dropped_at, count)
    for i in range(count):
        out[i] = 0 if dropped[i] else values[i]
