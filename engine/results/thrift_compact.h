// SPDX-License-Identifier: Apache-2.0
//
// Writes structures in Thrift's compact protocol, in which Parquet keeps its metadata.
// Format: https://github.com/apache/thrift/blob/master/doc/specs/thrift-compact-protocol.md
#pragma once

#include <cstdint>
#include <string_view>
#include <vector>

#include "engine/base/bytes.h"

namespace cairn {

// Fields of a structure are written in ascending order of their ids.
class ThriftWriter {
 public:
  explicit ThriftWriter(std::vector<std::byte>& out) : out_(out) {}

  void i32(int id, std::int32_t value) { field(id, 5), varint(zigzag(value)); }
  void i64(int id, std::int64_t value) { field(id, 6), varint(zigzag(value)); }
  void boolean(int id, bool value) { field(id, value ? 1 : 2); }
  void text(int id, std::string_view value) { field(id, 8), bytes(value); }
  void begin(int id) {
    field(id, 12);
    begin_element();
  }
  void end() {
    put(0);
    last_ = ids_.back();
    ids_.pop_back();
  }

  void list_of_structs(int id, std::size_t count) { field(id, 9), list(count, 12); }
  void list_of_i32(int id, std::size_t count) { field(id, 9), list(count, 5); }
  void list_of_texts(int id, std::size_t count) { field(id, 9), list(count, 8); }
  // Elements of the list that was begun last; a structure is ended by end().
  void begin_element() {
    ids_.push_back(last_);
    last_ = 0;
  }
  void element(std::int32_t value) { varint(zigzag(value)); }
  void element(std::string_view value) { bytes(value); }

  // The end of the outermost structure, which nothing begins.
  void finish() { put(0); }

 private:
  static std::uint64_t zigzag(std::int64_t value) {
    return static_cast<std::uint64_t>(value) << 1 ^ static_cast<std::uint64_t>(value >> 63);
  }
  void put(unsigned byte) { out_.push_back(static_cast<std::byte>(byte)); }
  void varint(std::uint64_t value) {
    for (; value >= 128; value >>= 7) put(static_cast<unsigned>(value & 127) | 128);
    put(static_cast<unsigned>(value));
  }
  void bytes(std::string_view value) {
    varint(value.size());
    out_.insert(out_.end(), as_bytes(value).begin(), as_bytes(value).end());
  }
  void field(int id, unsigned type) {
    if (id - last_ <= 15) {
      put(static_cast<unsigned>(id - last_) << 4 | type);
    } else {
      put(type);
      varint(zigzag(id));
    }
    last_ = id;
  }
  void list(std::size_t count, unsigned type) {
    if (count < 15) return put(static_cast<unsigned>(count) << 4 | type);
    put(0xf0 | type);
    varint(count);
  }

  std::vector<std::byte>& out_;
  std::vector<int> ids_;  // last ids of the structures around
  int last_ = 0;
};

}  // namespace cairn
