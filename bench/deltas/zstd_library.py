# SPDX-License-Identifier: Apache-2.0
"""The platform's libzstd, in memory, on the calling thread; with a base as `zstd --patch-from` uses one."""

import ctypes

import numpy

LEVEL, WINDOW_LOG, LONG_DISTANCE = 100, 101, 160
DECODER_WINDOW_LOG_MAX = 100

_zstd = ctypes.CDLL("libzstd.so.1")
_pointer, _size = ctypes.c_void_p, ctypes.c_size_t
for _name, _result, *_arguments in (
        ("createCCtx", _pointer), ("createDCtx", _pointer), ("freeCCtx", _size, _pointer), ("freeDCtx", _size, _pointer),
        ("compressBound", _size, _size), ("isError", ctypes.c_uint, _size), ("getErrorName", ctypes.c_char_p, _size),
        ("CCtx_setParameter", _size, _pointer, ctypes.c_int, ctypes.c_int),
        ("DCtx_setParameter", _size, _pointer, ctypes.c_int, ctypes.c_int),
        ("CCtx_refPrefix", _size, _pointer, _pointer, _size), ("DCtx_refPrefix", _size, _pointer, _pointer, _size),
        ("compress2", _size, _pointer, _pointer, _size, _pointer, _size),
        ("decompressDCtx", _size, _pointer, _pointer, _size, _pointer, _size)):
    _function = getattr(_zstd, f"ZSTD_{_name}")
    _function.restype, _function.argtypes = _result, _arguments


def _checked(result):
    if _zstd.ZSTD_isError(result):
        raise RuntimeError(f"zstd: {_zstd.ZSTD_getErrorName(result).decode()}")
    return result


def compress(data, level=3, base=None):
    """`data` and `base` are arrays of bytes; so is what comes back. A base may be matched at any distance."""
    context = _zstd.ZSTD_createCCtx()
    try:
        _checked(_zstd.ZSTD_CCtx_setParameter(context, LEVEL, level))
        if base is not None:
            window = max(10, (data.nbytes + base.nbytes).bit_length())
            _checked(_zstd.ZSTD_CCtx_setParameter(context, WINDOW_LOG, window))
            _checked(_zstd.ZSTD_CCtx_setParameter(context, LONG_DISTANCE, 1))
            _checked(_zstd.ZSTD_CCtx_refPrefix(context, base.ctypes.data, base.nbytes))
        out = numpy.empty(_zstd.ZSTD_compressBound(data.nbytes), numpy.uint8)
        return out[:_checked(_zstd.ZSTD_compress2(context, out.ctypes.data, out.nbytes, data.ctypes.data, data.nbytes))]
    finally:
        _zstd.ZSTD_freeCCtx(context)


def decompress(coded, size, base=None):
    context = _zstd.ZSTD_createDCtx()
    try:
        _checked(_zstd.ZSTD_DCtx_setParameter(context, DECODER_WINDOW_LOG_MAX, 31))
        if base is not None:
            _checked(_zstd.ZSTD_DCtx_refPrefix(context, base.ctypes.data, base.nbytes))
        out = numpy.empty(size, numpy.uint8)
        _checked(_zstd.ZSTD_decompressDCtx(context, out.ctypes.data, size, coded.ctypes.data, coded.nbytes))
        return out
    finally:
        _zstd.ZSTD_freeDCtx(context)
