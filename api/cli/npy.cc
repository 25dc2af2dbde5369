// SPDX-License-Identifier: Apache-2.0
#include "api/cli/npy.h"

#include <fmt/format.h>

#include "api/cli/format.h"

namespace cairn::cli {
namespace {

struct Representation {
  const char* descr = nullptr;  // null: plain bytes
  std::uint64_t bytes = 0;      // of one element of the tensor
  bool exact = true;            // whether NumPy's type means the same
};

Representation representation_of(DType dtype) {
  switch (dtype) {
    case DType::boolean: return {"|b1", 1};
    case DType::u8: return {"|u1", 1};
    case DType::i8: return {"|i1", 1};
    case DType::u16: return {"<u2", 2};
    case DType::i16: return {"<i2", 2};
    case DType::u32: return {"<u4", 4};
    case DType::i32: return {"<i4", 4};
    case DType::u64: return {"<u8", 8};
    case DType::i64: return {"<i8", 8};
    case DType::f16: return {"<f2", 2};
    case DType::f32: return {"<f4", 4};
    case DType::f64: return {"<f8", 8};
    case DType::complex64: return {"<c8", 8};
    case DType::complex128: return {"<c16", 16};
    case DType::bf16: return {"<u2", 2, false};
    case DType::complex32: return {"<u4", 4, false};
    case DType::f8_e4m3:
    case DType::f8_e5m2:
    case DType::f8_e4m3fnuz:
    case DType::f8_e5m2fnuz:
    case DType::f8_e8m0: return {"|u1", 1, false};
    default: return {};
  }
}

// Whether the shape's elements, each of so many bytes, fill exactly `bytes`.
bool fills(const std::vector<std::uint64_t>& shape, std::uint64_t element_bytes, std::uint64_t bytes) {
  std::uint64_t total = element_bytes;
  bool overflow = false;
  for (const std::uint64_t dimension : shape) {
    if (dimension == 0) return bytes == 0;
    overflow = overflow || __builtin_mul_overflow(total, dimension, &total);
  }
  return !overflow && total == bytes;
}

std::string shape_tuple(const std::vector<std::uint64_t>& shape) {
  if (shape.size() == 1) return fmt::format("({},)", shape[0]);
  return fmt::format("({})", fmt::join(shape, ", "));
}

}  // namespace

Result<NpyHeader> make_npy_header(const TensorInfo& tensor) {
  NpyHeader header;
  Representation as = representation_of(tensor.dtype);
  std::vector<std::uint64_t> shape = tensor.shape;
  const std::string dtype(dtype_name(tensor.dtype));
  if (as.descr == nullptr || !fills(shape, as.bytes, tensor.bytes)) {
    as = {"|u1", 1, false};
    shape = {tensor.bytes};
    header.note = fmt::format("{} {} has no NumPy form: written as {} plain bytes", dtype, shape_text(tensor.shape),
                              tensor.bytes);
  } else if (!as.exact) {
    header.note =
        fmt::format("NumPy has no {}: written as unsigned integers of {} bits, unchanged", dtype, as.bytes * 8);
  }
  std::string text =
      fmt::format("{{'descr': '{}', 'fortran_order': False, 'shape': {}, }}", as.descr, shape_tuple(shape));
  // Magic, version and length take 10 bytes; the whole ends on a multiple of 64, in a newline.
  constexpr std::size_t kPrefix = 10;
  text.append((64 - (kPrefix + text.size() + 1) % 64) % 64, ' ');
  text += '\n';
  if (text.size() > 0xFFFF) {
    return Error{.code = ErrorCode::unsupported,
                 .message = fmt::format("a NumPy header cannot hold {} dimensions", tensor.shape.size())};
  }
  header.bytes = std::string("\x93NUMPY\x01\x00", 8);
  header.bytes += static_cast<char>(text.size() & 0xFF);
  header.bytes += static_cast<char>(text.size() >> 8);
  header.bytes += text;
  return header;
}

}  // namespace cairn::cli
