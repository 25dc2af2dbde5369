// SPDX-License-Identifier: Apache-2.0
//
// Makes small model files, sound or not, byte by byte: what the real tools would never
// write is what the parsers must survive.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "engine/base/bytes.h"

namespace cairn::testing {

// The bytes of an integer, little-endian.
template <class T>
std::string le(T value) {
  std::string out;
  for (std::size_t i = 0; i < sizeof(T); ++i) {
    out += static_cast<char>(static_cast<std::uint64_t>(value) >> (8 * i) & 0xff);
  }
  return out;
}
// Bytes that differ from one another: 0, 1, 2 and so on.
inline std::string counting_bytes(std::size_t count) {
  std::string out(count, '\0');
  for (std::size_t i = 0; i < count; ++i) out[i] = static_cast<char>(i);
  return out;
}

inline std::string safetensors_file(std::string_view header, std::string_view data) {
  return le<std::uint64_t>(header.size()) + std::string(header) + std::string(data);
}

inline std::string npy_file(std::string_view dict, std::string_view data, int version = 1) {
  const std::string length =
      version == 1 ? le(static_cast<std::uint16_t>(dict.size())) : le(static_cast<std::uint32_t>(dict.size()));
  return "\x93NUMPY" + std::string{static_cast<char>(version), '\0'} + length + std::string(dict) + std::string(data);
}

struct ZipMember {
  std::string name;
  std::string data;
  std::uint16_t method = 0;       // 0 stored, 8 deflated
  std::uint16_t flags = 0;        // 1 encrypted, 8 with a data descriptor
  std::size_t padding_bytes = 0;  // in the local extra field, as torch.save() aligns
};
struct ZipOptions {
  bool zip64 = false;  // all numbers in Zip64 records
  std::string prefix;  // in front of the archive; offsets do not count it
  std::string comment;
  std::string trailing;  // after the archive, announced by nothing
};

inline std::string zip_file(const std::vector<ZipMember>& members, const ZipOptions& options = {}) {
  const auto u16 = [](std::size_t value) { return le(static_cast<std::uint16_t>(value)); };
  const auto u32 = [](std::size_t value) { return le(static_cast<std::uint32_t>(value)); };
  std::string out;
  std::string directory;
  for (const ZipMember& member : members) {
    const std::size_t at = out.size();
    const bool descriptor = (member.flags & 8) != 0;
    const std::size_t stated = descriptor ? 0 : member.data.size();
    out += u32(0x04034b50) + u16(20) + u16(member.flags) + u16(member.method) + u32(0) + u32(0) + u32(stated) +
           u32(stated) + u16(member.name.size()) + u16(member.padding_bytes) + member.name +
           std::string(member.padding_bytes, 'Z') + member.data;
    if (descriptor) out += u32(0x08074b50) + u32(0) + u32(member.data.size()) + u32(member.data.size());
    std::string extra;
    if (options.zip64) extra = u16(1) + u16(24) + le(member.data.size()) + le(member.data.size()) + le(at);
    const auto wide = [&](std::size_t value) { return u32(options.zip64 ? 0xffffffff : value); };
    directory += u32(0x02014b50) + u16(20) + u16(20) + u16(member.flags) + u16(member.method) + u32(0) + u32(0) +
                 wide(member.data.size()) + wide(member.data.size()) + u16(member.name.size()) + u16(extra.size()) +
                 u16(0) + u16(0) + u16(0) + u32(0) + wide(at) + member.name + extra;
  }
  const std::size_t directory_at = out.size();
  out += directory;
  if (options.zip64) {
    const std::size_t end_at = out.size();
    out += u32(0x06064b50) + le<std::uint64_t>(44) + u16(45) + u16(45) + u32(0) + u32(0) + le(members.size()) +
           le(members.size()) + le(directory.size()) + le(directory_at);
    out += u32(0x07064b50) + u32(0) + le(end_at) + u32(1);
  }
  out += u32(0x06054b50) + u16(0) + u16(0) + u16(options.zip64 ? 0xffff : members.size()) +
         u16(options.zip64 ? 0xffff : members.size()) + u32(options.zip64 ? 0xffffffff : directory.size()) +
         u32(options.zip64 ? 0xffffffff : directory_at) + u16(options.comment.size()) + options.comment;
  return options.prefix + out + options.trailing;
}

// Parts of a pickle, as protocol 2 writes them.
namespace pickle {

inline std::string text(std::string_view value) {
  return "X" + le(static_cast<std::uint32_t>(value.size())) + std::string(value);
}
inline std::string integer(std::uint64_t value) { return "\x8a\x09" + le(value) + std::string(1, '\0'); }
inline std::string small(std::int32_t value) { return "J" + le(value); }
inline std::string global(std::string_view module, std::string_view name) {
  return "c" + std::string(module) + "\n" + std::string(name) + "\n";
}
inline std::string tuple(const std::vector<std::string>& items) {
  std::string out = "(";
  for (const std::string& item : items) out += item;
  return out + "t";
}
inline std::string integers(const std::vector<std::int32_t>& values) {
  std::vector<std::string> items;
  for (const std::int32_t value : values) items.push_back(small(value));
  return tuple(items);
}
inline std::string storage(std::string_view type, std::string_view key, std::int32_t elements) {
  return tuple({text("storage"), global("torch", type), text(key), text("cpu"), small(elements)}) + "Q";
}
inline std::string tensor(const std::string& storage, std::int32_t first, const std::vector<std::int32_t>& shape,
                          const std::vector<std::int32_t>& strides) {
  return global("torch._utils", "_rebuild_tensor_v2") +
         tuple({storage, small(first), integers(shape), integers(strides), "\x89", "}"}) + "R";
}
// Keys and values by turns.
inline std::string dict(const std::vector<std::string>& pairs) {
  std::string out = "}(";
  for (const std::string& item : pairs) out += item;
  return out + "u";
}
inline std::string stream(const std::string& value) { return "\x80\x02" + value + "."; }

}  // namespace pickle

namespace gguf {

inline std::string text(std::string_view value) { return le<std::uint64_t>(value.size()) + std::string(value); }
inline std::string tensor(std::string_view name, const std::vector<std::uint64_t>& ne, std::uint32_t type,
                          std::uint64_t offset) {
  std::string out = text(name) + le(static_cast<std::uint32_t>(ne.size()));
  for (const std::uint64_t n : ne) out += le(n);
  return out + le(type) + le(offset);
}
// Header, values and tensor table, then the data behind padding to 32 bytes.
inline std::string file(std::uint64_t tensors, std::uint64_t values, const std::string& tables, std::string_view data,
                        std::uint32_t version = 3) {
  std::string out = "GGUF" + le(version) + le(tensors) + le(values) + tables;
  out.resize(align_up(out.size(), 32), '\0');
  return out + std::string(data);
}

}  // namespace gguf

namespace onnx {

inline std::string varint(std::uint64_t value) {
  std::string out;
  for (; value > 127; value >>= 7) out += static_cast<char>((value & 127) | 128);
  return out + static_cast<char>(value);
}
inline std::string number(std::uint64_t field, std::uint64_t value) { return varint(field << 3) + varint(value); }
inline std::string bytes(std::uint64_t field, std::string_view value) {
  return varint(field << 3 | 2) + varint(value.size()) + std::string(value);
}
inline std::string initializer(std::string_view name, std::uint64_t type, const std::vector<std::uint64_t>& shape,
                               std::string_view raw) {
  std::string out;
  for (const std::uint64_t dimension : shape) out += number(1, dimension);
  return bytes(5, out + number(2, type) + bytes(8, name) + bytes(9, raw));
}
inline std::string model(const std::string& graph) {
  return number(1, 8) + bytes(2, "test") + bytes(7, bytes(2, "main") + graph) + bytes(8, number(2, 17));
}

}  // namespace onnx
}  // namespace cairn::testing
