// SPDX-License-Identifier: Apache-2.0
//
// Tries each way to make a column's numbers small, and keeps the smallest.
#include "engine/results/metric_numbers.h"

#include <zstd.h>

#include <algorithm>
#include <bit>
#include <memory>
#include <string>

#include "engine/format/field_reader.h"

namespace cairn {
namespace {

// Frozen numbers. Differences are taken modulo the width of the words, which makes every one reversible.
enum class Transform : std::uint8_t { rotated = 0, zigzag = 1, delta = 2, delta_of_delta = 3 };
enum class PlaneKind : std::uint8_t { raw = 0, constant = 1, zstd = 2 };

constexpr std::string_view kStructure = "metric block";
constexpr int kLevel = 3;
// Planes with fewer bytes are not worth a frame.
constexpr std::size_t kCompressedMin = 24;

unsigned bits_of(WordKind kind) { return kind == WordKind::float32 ? 32 : 64; }
std::uint64_t mask_of(unsigned bits) { return bits == 64 ? ~std::uint64_t{0} : (std::uint64_t{1} << bits) - 1; }
std::size_t seeds_of(Transform transform) {
  return transform < Transform::delta ? 0 : static_cast<std::size_t>(transform) - 1;
}

// Sign and magnitude of a word in two's complement of `bits` bits, the sign in the lowest bit.
std::uint64_t zigzag(std::uint64_t word, unsigned bits) {
  const std::uint64_t negative = word >> (bits - 1) & 1;
  return (word << 1 ^ (0 - negative)) & mask_of(bits);
}
std::uint64_t unzigzag(std::uint64_t word, unsigned bits) { return (word >> 1 ^ (0 - (word & 1))) & mask_of(bits); }
std::uint64_t rotate_left(std::uint64_t word, unsigned bits) {
  return (word << 1 | word >> (bits - 1)) & mask_of(bits);
}
std::uint64_t rotate_right(std::uint64_t word, unsigned bits) {
  return (word >> 1 | word << (bits - 1)) & mask_of(bits);
}

struct Contexts {
  std::unique_ptr<ZSTD_CCtx, decltype(&ZSTD_freeCCtx)> compress{ZSTD_createCCtx(), &ZSTD_freeCCtx};
  std::unique_ptr<ZSTD_DCtx, decltype(&ZSTD_freeDCtx)> decompress{ZSTD_createDCtx(), &ZSTD_freeDCtx};
};
Contexts& contexts() {
  thread_local Contexts mine;
  return mine;
}

void put_plane(Bytes plane, ByteWriter& writer) {
  if (std::ranges::all_of(plane, [&](std::byte byte) { return byte == plane[0]; })) {
    writer.put(static_cast<std::uint8_t>(PlaneKind::constant));
    writer.put(static_cast<std::uint8_t>(plane[0]));
    return;
  }
  if (plane.size() >= kCompressedMin) {
    std::vector<std::byte> frame(ZSTD_compressBound(plane.size()));
    const std::size_t size =
        ZSTD_compressCCtx(contexts().compress.get(), frame.data(), frame.size(), plane.data(), plane.size(), kLevel);
    if (ZSTD_isError(size) == 0 && size + 4 < plane.size()) {
      writer.put(static_cast<std::uint8_t>(PlaneKind::zstd));
      writer.put(static_cast<std::uint32_t>(size));
      writer.put_bytes(Bytes(frame).first(size));
      return;
    }
  }
  writer.put(static_cast<std::uint8_t>(PlaneKind::raw));
  writer.put_bytes(plane);
}

std::vector<std::uint64_t> transformed(std::span<const std::uint64_t> words, Transform transform, unsigned bits) {
  std::vector<std::uint64_t> out;
  out.reserve(words.size());
  for (std::size_t i = seeds_of(transform); i < words.size(); ++i) {
    switch (transform) {
      case Transform::rotated: out.push_back(rotate_left(words[i], bits)); break;
      case Transform::zigzag: out.push_back(zigzag(words[i], bits)); break;
      case Transform::delta: out.push_back(zigzag((words[i] - words[i - 1]) & mask_of(bits), bits)); break;
      case Transform::delta_of_delta:
        out.push_back(zigzag((words[i] - 2 * words[i - 1] + words[i - 2]) & mask_of(bits), bits));
        break;
    }
  }
  return out;
}

std::vector<std::byte> encode_as(std::span<const std::uint64_t> words, Transform transform, unsigned bits) {
  const std::vector<std::uint64_t> small = transformed(words, transform, bits);
  std::uint64_t any = 0;
  for (const std::uint64_t word : small) any |= word;
  const unsigned planes = (static_cast<unsigned>(std::bit_width(any)) + 7) / 8;
  std::vector<std::byte> out;
  ByteWriter writer(out);
  writer.put(static_cast<std::uint8_t>(transform));
  writer.put(static_cast<std::uint8_t>(planes));
  for (const std::uint64_t seed : words.first(seeds_of(transform))) writer.put(seed);
  std::vector<std::byte> plane(small.size());
  for (unsigned p = 0; p < planes; ++p) {
    for (std::size_t i = 0; i < small.size(); ++i) plane[i] = static_cast<std::byte>(small[i] >> 8 * p);
    put_plane(plane, writer);
  }
  return out;
}

// Reads planes one after another, and says where one is wrong.
class PlaneReader {
 public:
  PlaneReader(Bytes body, std::string_view field, std::uint64_t offset)
      : reader_(body), field_(field), offset_(offset) {}

  Error wrong(std::string_view why) const { return wrong_field(kStructure, field_, offset_ + reader_.offset(), why); }

  template <std::unsigned_integral T>
  Result<T> get() {
    if (const auto value = reader_.get<T>()) return *value;
    return wrong("is cut off");
  }

  // Into `plane`, which has the size that the plane must have.
  Status read_plane(MutableBytes plane) {
    CAIRN_TRY(const auto kind, get<std::uint8_t>());
    switch (static_cast<PlaneKind>(kind)) {
      case PlaneKind::constant: {
        CAIRN_TRY(const auto value, get<std::uint8_t>());
        std::ranges::fill(plane, static_cast<std::byte>(value));
        return {};
      }
      case PlaneKind::raw: {
        const auto bytes = reader_.get_bytes(plane.size());
        if (!bytes) return wrong("is cut off");
        std::ranges::copy(*bytes, plane.begin());
        return {};
      }
      case PlaneKind::zstd: {
        CAIRN_TRY(const auto size, get<std::uint32_t>());
        const auto bytes = reader_.get_bytes(size);
        if (!bytes) return wrong("is cut off");
        const std::size_t done =
            ZSTD_decompressDCtx(contexts().decompress.get(), plane.data(), plane.size(), bytes->data(), bytes->size());
        if (ZSTD_isError(done) != 0 || done != plane.size()) return wrong("has a plane that does not decompress");
        return {};
      }
    }
    return wrong("has a plane of kind " + std::to_string(kind) + ", which there is not");
  }

  bool exhausted() const { return reader_.exhausted(); }

 private:
  ByteReader reader_;
  std::string_view field_;
  std::uint64_t offset_;
};

void undo(Transform transform, unsigned bits, std::size_t seeds, std::vector<std::uint64_t>& words) {
  const std::uint64_t mask = mask_of(bits);
  for (std::size_t i = seeds; i < words.size(); ++i) {
    switch (transform) {
      case Transform::rotated: words[i] = rotate_right(words[i], bits); break;
      case Transform::zigzag: words[i] = unzigzag(words[i], bits); break;
      case Transform::delta: words[i] = (unzigzag(words[i], bits) + words[i - 1]) & mask; break;
      case Transform::delta_of_delta:
        words[i] = (unzigzag(words[i], bits) + 2 * words[i - 1] - words[i - 2]) & mask;
        break;
    }
  }
}

}  // namespace

void encode_numbers(std::span<const std::uint64_t> words, WordKind kind, std::vector<std::byte>& out) {
  const unsigned bits = bits_of(kind);
  const bool floating = kind != WordKind::integer64;
  std::vector<std::byte> best = encode_as(words, floating ? Transform::rotated : Transform::zigzag, bits);
  for (const Transform transform : {Transform::delta, Transform::delta_of_delta}) {
    if (words.size() < seeds_of(transform)) continue;
    if (floating && transform == Transform::delta_of_delta) continue;
    std::vector<std::byte> other = encode_as(words, transform, bits);
    if (other.size() < best.size()) best = std::move(other);
  }
  out.insert(out.end(), best.begin(), best.end());
}

Result<std::vector<std::uint64_t>> decode_numbers(Bytes body, std::size_t count, WordKind kind, std::string_view field,
                                                  std::uint64_t offset) {
  const unsigned bits = bits_of(kind);
  PlaneReader reader(body, field, offset);
  CAIRN_TRY(const auto number, reader.get<std::uint8_t>());
  if (number > static_cast<std::uint8_t>(Transform::delta_of_delta)) return reader.wrong("has an unknown transform");
  const auto transform = static_cast<Transform>(number);
  const std::size_t seeds = seeds_of(transform);
  CAIRN_TRY(const auto planes, reader.get<std::uint8_t>());
  if (planes * 8u > bits) return reader.wrong("has more planes than its words have bytes");
  if (seeds > count) return reader.wrong("has more seeds than words");
  std::vector<std::uint64_t> words(count);
  for (std::size_t i = 0; i < seeds; ++i) {
    CAIRN_TRY(words[i], reader.get<std::uint64_t>());
    if ((words[i] & ~mask_of(bits)) != 0) return reader.wrong("has a seed above its width");
  }
  std::vector<std::byte> plane(count - seeds);
  for (unsigned p = 0; p < planes; ++p) {
    CAIRN_CHECK(reader.read_plane(plane));
    for (std::size_t i = 0; i < plane.size(); ++i) words[seeds + i] |= static_cast<std::uint64_t>(plane[i]) << 8 * p;
  }
  if (!reader.exhausted()) return reader.wrong("is followed by bytes that mean nothing");
  undo(transform, bits, seeds, words);
  return words;
}

}  // namespace cairn
