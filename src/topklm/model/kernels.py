"""What Numba compiles for a CPU: TopK, the gradient's mask, the collecting of codes.

TopK finds the entries of `stable_mask`, sooner, in one pass per row.

A row's entries become integers of the same order (`keys`), so that all floating-point types are one
case, -0.0 equals 0.0 and NaN is largest. The threshold sought is a t that exactly k keys reach. It is
found by counting: a secant step from a guess (where the row before ended), halving where that does not
close in. Counting 512 keys takes some thirty vector instructions and a search about six counts; that is
why this is quicker than `torch.topk`, which selects entry by entry. Where ties leave no such t, the
lower indices win.

`topk.py` and `codes.py` call `keep_largest`, `masked` and `collect`, by `topk.kernels()`, which imports
this module when it is first needed: Numba takes a moment.
"""

import ctypes
import functools
import os
from collections.abc import Callable, Sequence
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
    settings = INFINITY[x.dtype], k, by != "magnitude", by == "positive"
    over_rows(keeper(x.dtype), x, (x, result, dropped), *settings)
    return result, dropped


def masked(gradient: Tensor, dropped: Tensor) -> Tensor:
    """Return contiguous `gradient` with zeros where `dropped` is true."""
    result = torch.empty_like(gradient)
    over_rows(masker(gradient.dtype), gradient, (gradient, result, dropped))
    return result


def collect(x: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """Return offsets, indices and values of the non-zero entries of contiguous `x`, row after row."""
    counts = torch.empty(x.numel() // x.shape[-1], 1, dtype=torch.int64)
    over_rows(counter(x.dtype), x, (x, counts))
    ends = counts.cumsum(0)
    offsets = torch.cat([ends.new_zeros(1), ends[:, 0]])
    entries = int(offsets[-1])
    indices, values = torch.empty(entries, dtype=torch.int32), torch.empty(entries, dtype=x.dtype)
    whole = indices.data_ptr(), values.data_ptr()
    over_rows(collector(x.dtype), x, (x, offsets[:-1, None]), *whole)
    return offsets, indices, values


def over_rows(kernel: Callable[..., None], x: Tensor, matrices: tuple[Tensor, ...], *settings: Any) -> None:
    """Run a kernel over the rows of `x`, shared among as many threads as torch uses.

    matrices: contiguous, of as many rows as `x`; the kernel gets their addresses, the number of rows,
    x's width, and the settings.
    """
    entries, width = x.numel(), x.shape[-1]
    rows = entries // width
    threads = min(torch.get_num_threads(), rows, entries // ENTRIES_PER_THREAD)
    if threads <= 1:
        kernel(*[one.data_ptr() for one in matrices], rows, width, *settings)
        return

    def run(part: int) -> None:
        first, last = rows * part // threads, rows * (part + 1) // threads
        places = [one.data_ptr() + first * one.shape[-1] * one.element_size() for one in matrices]
        kernel(*places, last - first, width, *settings)

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
    entry, count = INTEGERS[dtype.itemsize], types.int64
    settings = [count, count, types.boolean, types.boolean]
    return compiled(_keep_rows, [entry, entry, types.uint8], settings)


@functools.cache
def masker(dtype: torch.dtype) -> Callable[..., None]:
    """Compile the masking of a gradient for a type."""
    entry = INTEGERS[dtype.itemsize]
    return compiled(_mask_rows, [entry, entry, types.uint8])


@functools.cache
def counter(dtype: torch.dtype) -> Callable[..., None]:
    """Compile the counting of non-zero entries for a type."""
    return compiled(_count_rows, [INTEGERS[dtype.itemsize], types.int64])


@functools.cache
def collector(dtype: torch.dtype) -> Callable[..., None]:
    """Compile the collecting of non-zero entries for a type."""
    entry = INTEGERS[dtype.itemsize]
    whole = [types.CPointer(types.int32), types.CPointer(entry)]
    return compiled(_collect_rows, [entry, types.int64], whole)


def compiled(
    kernel: Callable[..., None], entries: list[Any], settings: Sequence[Any] = ()
) -> Callable[..., None]:
    """Compile a kernel to a C function, which runs without Python's lock; kept on disk if it can be.

    It takes the addresses of matrices with such entries, rows, width, and settings of such types.
    """
    sizes = (types.int64, types.int64)
    signature = types.void(*[types.CPointer(entry) for entry in entries], *sizes, *settings)
    try:
        function = cfunc(signature, cache=True, **OPTIONS)(kernel)
    except RuntimeError:  # no directory to keep compiled code in
        function = cfunc(signature, **OPTIONS)(kernel)
    kinds = [ctypes.c_bool if one == types.boolean else ctypes.c_int64 for one in (*sizes, *settings)]
    call = ctypes.CFUNCTYPE(None, *[ctypes.c_void_p] * len(entries), *kinds)(function.address)
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


@jitted
def _zeros(bits: Any) -> Any:
    """Return the bits of 0.0 and of -0.0."""
    zeros = np.zeros(2, bits.dtype)
    zeros[1] = -1
    zeros[1] = zeros[1] << (8 * bits.itemsize - 1)
    return zeros


def _count_rows(bits_at: Any, counts_at: Any, rows: int, width: int) -> None:
    bits, counts = carray(bits_at, (rows, width)), carray(counts_at, rows)
    one, none = np.float32(1), np.float32(0)
    zero = _zeros(bits)
    for row in range(rows):
        count = none
        for i in range(width):
            count += one if bits[row, i] != zero[0] and bits[row, i] != zero[1] else none
        counts[row] = count


def _collect_rows(
    bits_at: Any, offsets_at: Any, rows: int, width: int, indices_at: Any, values_at: Any
) -> None:
    bits, offsets = carray(bits_at, (rows, width)), carray(offsets_at, rows)
    zero = _zeros(bits)
    for row in range(rows):
        place = offsets[row]
        for i in range(width):
            if bits[row, i] != zero[0] and bits[row, i] != zero[1]:
                indices_at[place] = i
                values_at[place] = bits[row, i]
                place += 1
