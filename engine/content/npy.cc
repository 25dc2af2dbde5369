// SPDX-License-Identifier: Apache-2.0
#include "engine/content/npy.h"

#include <algorithm>
#include <charconv>
#include <cstring>

#include "engine/base/endian.h"

namespace cairn {
namespace {

constexpr std::string_view kMagic = "\x93NUMPY";
constexpr std::size_t kVersionAt = 6;
constexpr std::size_t kLengthAt = 8;
// NumPy itself refuses headers above 10,000 bytes unless told otherwise.
constexpr std::uint64_t kHeaderMax = 64 * KiB;

struct Header {
  std::string descr;  // empty: not a plain type
  bool fortran_order = false;
  std::vector<std::uint64_t> shape;
};

// The dict literal: string keys; the values a string, True or False, a tuple of integers.
class Literal {
 public:
  explicit Literal(std::string_view text) noexcept : text_(text) {}

  std::optional<Header> read() {
    Header header;
    unsigned seen = 0;  // one bit for each field
    if (!take('{')) return std::nullopt;
    while (!take('}')) {
      const auto key = read_string();
      if (!key || !take(':')) return std::nullopt;
      const unsigned field = *key == "descr" ? 1 : *key == "fortran_order" ? 2 : *key == "shape" ? 4 : 0;
      if (field == 0 || (seen & field) != 0) return std::nullopt;
      seen |= field;
      const bool good = field == 1   ? read_descr(header.descr)
                        : field == 2 ? read_bool(header.fortran_order)
                                     : read_tuple(header.shape);
      if (!good) return std::nullopt;
      if (take(',')) continue;
      if (!take('}')) return std::nullopt;
      break;
    }
    skip_space();
    if (seen != 7 || at_ != text_.size()) return std::nullopt;
    return header;
  }

 private:
  void skip_space() noexcept {
    while (at_ < text_.size() && (text_[at_] == ' ' || text_[at_] == '\n' || text_[at_] == '\t')) ++at_;
  }
  bool take(char expected) noexcept {
    skip_space();
    if (at_ >= text_.size() || text_[at_] != expected) return false;
    ++at_;
    return true;
  }
  bool take_word(std::string_view word) noexcept {
    skip_space();
    if (text_.substr(at_, word.size()) != word) return false;
    at_ += word.size();
    return true;
  }
  // No escapes: no type or key that is known has any.
  std::optional<std::string_view> read_string() noexcept {
    skip_space();
    if (at_ >= text_.size() || (text_[at_] != '\'' && text_[at_] != '"')) return std::nullopt;
    const std::size_t end = text_.find(text_[at_], at_ + 1);
    if (end == std::string_view::npos) return std::nullopt;
    const auto inside = text_.substr(at_ + 1, end - at_ - 1);
    if (inside.find('\\') != std::string_view::npos) return std::nullopt;
    at_ = end + 1;
    return inside;
  }
  bool read_descr(std::string& into) {
    const auto text = read_string();
    if (!text) return false;
    into = *text;
    return true;
  }
  bool read_bool(bool& into) noexcept {
    into = take_word("True");
    return into || take_word("False");
  }
  bool read_tuple(std::vector<std::uint64_t>& into) {
    if (!take('(')) return false;
    while (!take(')')) {
      skip_space();
      std::uint64_t value = 0;
      const char* begin = text_.data() + at_;
      const auto [end, error] = std::from_chars(begin, text_.data() + text_.size(), value);
      if (error != std::errc() || into.size() == kDimensionsMax) return false;
      at_ += static_cast<std::size_t>(end - begin);
      take_word("L");  // Python 2 wrote 3L
      into.push_back(value);
      if (take(',')) continue;
      // In Python, (3) is no tuple.
      return into.size() > 1 && take(')');
    }
    return true;
  }

  std::string_view text_;
  std::size_t at_ = 0;
};

std::optional<DType> type_of(char kind, std::string_view size) noexcept {
  struct Row {
    char kind;
    std::string_view size;
    DType dtype;
  };
  static constexpr Row kRows[] = {
      {'b', "1", DType::boolean},   {'u', "1", DType::u8},          {'u', "2", DType::u16}, {'u', "4", DType::u32},
      {'u', "8", DType::u64},       {'i', "1", DType::i8},          {'i', "2", DType::i16}, {'i', "4", DType::i32},
      {'i', "8", DType::i64},       {'f', "2", DType::f16},         {'f', "4", DType::f32}, {'f', "8", DType::f64},
      {'c', "8", DType::complex64}, {'c', "16", DType::complex128},
  };
  for (const Row& row : kRows) {
    if (row.kind == kind && row.size == size) return row.dtype;
  }
  return std::nullopt;
}

}  // namespace

bool looks_like_npy(Bytes head) noexcept { return as_text(head).substr(0, kMagic.size()) == kMagic; }

Result<ScanOutcome> scan_npy(const ByteSource& source, std::uint64_t offset, std::uint64_t length, std::string name,
                             TensorCollector& tensors) {
  std::byte head[12] = {};
  const std::uint64_t head_bytes = std::min<std::uint64_t>(sizeof(head), length);
  CAIRN_CHECK(source.read_at(offset, MutableBytes(head, head_bytes)));
  if (head_bytes < sizeof(head) || !looks_like_npy(head)) return ScanOutcome::because("it is no .npy array");
  // Version 3 differs from 2 in the text's encoding only.
  const auto version = std::to_integer<unsigned>(head[kVersionAt]);
  if (version < 1 || version > 3) return ScanOutcome::because("its .npy version is not known");
  const std::uint64_t header_bytes =
      version == 1 ? load_le<std::uint16_t>(head + kLengthAt) : load_le<std::uint32_t>(head + kLengthAt);
  const std::uint64_t header_at = kLengthAt + (version == 1 ? 2 : 4);
  if (header_bytes > length - header_at) return ScanOutcome::because("its .npy header is cut off");
  if (header_bytes > kHeaderMax) return ScanOutcome::because("its .npy header is too long");

  std::vector<std::byte> text(header_bytes);
  CAIRN_CHECK(source.read_at(offset + header_at, text));
  auto header = Literal(as_text(text)).read();
  if (!header) return ScanOutcome::because("its .npy header is of no plain array");
  const std::string_view descr = header->descr;
  const char order = descr.empty() ? '\0' : descr[0];
  const auto dtype = descr.size() < 3 ? std::nullopt : type_of(descr[1], descr.substr(2));
  const bool one_byte = dtype && dtype_bits(*dtype) == 8;
  if (!dtype || !(order == '<' || order == '>' || (order == '|' && one_byte))) {
    return ScanOutcome::because("its .npy element type " + quoted(descr) + " is no plain one");
  }
  const auto bytes = byte_count(*dtype, header->shape);
  const std::uint64_t data_at = header_at + header_bytes;
  if (!bytes || *bytes > length - data_at) return ScanOutcome::because("its .npy data is cut off");

  // With one dimension above 1 both orders are the same bytes, and so the same tensor.
  const auto long_dimensions = std::count_if(header->shape.begin(), header->shape.end(), [](auto d) { return d > 1; });
  const bool fortran = header->fortran_order && long_dimensions > 1;
  const bool big_endian = order == '>' && !one_byte;
  TensorRegion region{
      .name = std::move(name),
      .dtype = *dtype,
      .attribute = static_cast<std::uint8_t>((fortran ? kFortranOrder : 0) | (big_endian ? kBigEndian : 0)),
      .shape = std::move(header->shape),
      .offset = offset + data_at,
      .length = *bytes};
  if (!tensors.add(std::move(region))) return TensorCollector::over_budget();
  return ScanOutcome::parsed();
}

}  // namespace cairn
