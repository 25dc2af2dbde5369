// SPDX-License-Identifier: Apache-2.0
//
// Values as PostgreSQL has them on the wire, in binary: a length and so many bytes, which a parameter, a column of COPY
// and a column of an answer have in common. No I/O.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <map>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "cairn/result.h"

namespace cairn::postgres {

using Uuid = std::array<std::byte, 16>;

// One after the other. What does not fit makes all of them unfit: ask check() before they are sent.
class CellWriter {
 public:
  // A field and a message of PostgreSQL end below 1 GiB; so does what lies around it.
  static constexpr std::size_t kCellBytesMax = (std::size_t{1} << 30) - (std::size_t{1} << 20);

  CellWriter() = default;
  // Of cells that one has written before.
  CellWriter(std::string_view bytes, std::size_t cells) : bytes_(bytes), cells_(cells) {}

  CellWriter& null();
  CellWriter& boolean(bool value);
  CellWriter& int8(std::int64_t value);
  // Refused above 2⁶³-1: PostgreSQL has no number like that.
  CellWriter& count(std::uint64_t value);
  CellWriter& float8(double value);
  CellWriter& bytea(std::span<const std::byte> value);
  CellWriter& uuid(const Uuid& value);
  // Any bytes, escaped as escaped.h says.
  CellWriter& text(std::string_view value);
  // The text itself when jsonb can hold it, otherwise null. An empty text is null as well.
  CellWriter& jsonb(std::string_view value);
  CellWriter& numbers_jsonb(const std::map<std::string, double>& values);
  CellWriter& texts_jsonb(const std::map<std::string, std::string>& values);
  CellWriter& int8s(std::span<const std::int64_t> values);
  CellWriter& float8s(std::span<const double> values);
  CellWriter& texts(std::span<const std::string> values);
  // All that another has written.
  CellWriter& append(const CellWriter& other);
  template <class T, class Put>
  CellWriter& optional(const std::optional<T>& value, Put put) {
    return value ? std::invoke(put, *this, *value) : null();
  }

  // invalid_argument: a cell is too large, or is no number that PostgreSQL has.
  Status check() const;
  std::size_t count_of_cells() const noexcept { return cells_; }
  const std::string& bytes() const& noexcept { return bytes_; }
  std::string bytes() && noexcept { return std::move(bytes_); }

 private:
  void begin(std::size_t size);
  std::size_t begin_unknown();
  void end_unknown(std::size_t at);
  void refuse(std::string why);
  void begin_array(std::size_t size, std::uint32_t type);

  std::string bytes_;
  std::size_t cells_ = 0;
  std::string refused_;
};

// Takes the cells of a row, in order. Hostile: a length that a type does not have, or a null where there may be none,
// is corruption, which the next check() tells; until then values are empty.
class CellReader {
 public:
  using Cell = std::optional<std::string_view>;
  // `at` gives cell after cell, and is asked for no more than `cells`.
  CellReader(std::size_t cells, std::function<Cell(std::size_t)> at) : cells_(cells), at_(std::move(at)) {}

  bool next_is_null() const { return next_ < cells_ && !at_(next_); }
  void skip() { ++next_; }
  bool boolean();
  std::int64_t int8();
  std::uint64_t count();  // corruption when it is negative
  double float8();
  std::vector<std::byte> bytea();
  Uuid uuid();
  std::string text();  // unescaped
  std::string raw();   // the bytes of any type
  std::map<std::string, double> numbers_jsonb();
  std::map<std::string, std::string> texts_jsonb();
  std::vector<std::int64_t> int8s();
  std::vector<double> float8s();
  std::vector<std::string> texts();
  template <class T>
  std::optional<T> optional(T (CellReader::*read)()) {
    if (!next_is_null()) return (this->*read)();
    skip();
    return std::nullopt;
  }

  // The next cell, or what was read so far, is not what it should be.
  void refuse(std::string_view why);
  Status check() const;

 private:
  std::string_view take();
  std::string_view take(std::size_t size);
  std::vector<std::string_view> array(std::uint32_t type);

  std::size_t cells_;
  std::function<Cell(std::size_t)> at_;
  std::size_t next_ = 0;
  std::string refused_;
};

}  // namespace cairn::postgres
