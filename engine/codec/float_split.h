// SPDX-License-Identifier: Apache-2.0
//
// The payload of CodecId::float_split: byte planes of fixed-width elements, each raw,
// constant or Huffman-coded (docs/format/codecs.md). Sign and mantissa of trained weights
// are close to noise; their exponents are not, and with the exponent in a plane of its own
// its order-0 entropy is nearly all there is to gain.
#pragma once

#include "cairn/dtype.h"
#include "engine/base/bytes.h"
#include "engine/codec/buffer.h"
#include "engine/codec/byte_planes.h"
#include "engine/codec/coded_plane.h"

namespace cairn {

// How elements of this type are cut. Types without a fixed size of 1, 2, 4 or 8 bytes are
// taken as bytes; complex numbers by component.
PlaneLayout plane_layout(DType dtype) noexcept;

// Bit p set: plane p is worth coding. The others are stored raw without a second look.
using PlaneMask = std::uint32_t;

// Encodes content that holds at least one element; the payload lies in `scratch_payload`.
// It can be larger than the content.
Bytes encode_float_split(Bytes content, PlaneLayout layout, PlaneMask coded, Buffer& scratch_payload,
                         Buffer& scratch_planes, SimdLevel level);

// Why a payload was refused, or nullptr when it decoded to exactly into.size() bytes.
const char* decode_float_split(Bytes payload, MutableBytes into, Buffer& scratch_planes, HuffmanDecoder& huffman,
                               SimdLevel level);

}  // namespace cairn
