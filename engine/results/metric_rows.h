// SPDX-License-Identifier: Apache-2.0
//
// Rows of metrics in memory, column by column: what a block holds (metric_block.h), before it is encoded and after.
#pragma once

#include <array>
#include <cstdint>
#include <map>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace cairn {

// Frozen numbers: written in blocks.
enum class MetricKind : std::uint8_t { real = 1, integer = 2, text = 3 };

// The values of one series that are of one kind. Of `reals`, `integers` and `texts` the one that the kind names is as
// long as `rows`, the others are empty.
struct MetricColumn {
  std::string name;
  MetricKind kind = MetricKind::real;
  std::vector<std::uint32_t> rows;  // which of them have a value; strictly ascending
  std::vector<double> reals;
  std::vector<std::int64_t> integers;
  std::vector<std::uint32_t> texts;     // places in the dictionary
  std::vector<std::string> dictionary;  // every text once, as they first came

  std::size_t count() const noexcept { return rows.size(); }
  // Of a number.
  double number(std::size_t i) const { return kind == MetricKind::real ? reals[i] : static_cast<double>(integers[i]); }
};

// One thread at a time.
class MetricRows {
 public:
  // Values that are added next are of this row.
  void begin_row(std::int64_t step, std::int64_t time_ns);
  // Where the column of a series is; makes it when there is none yet.
  std::size_t column(std::string_view name, MetricKind kind);
  // To the last row, for a column of that kind. A series that has a value there already gets a row more, with the same
  // step and time, so that nothing is lost.
  void add_real(std::size_t column, double value);
  void add_integer(std::size_t column, std::int64_t value);
  void add_text(std::size_t column, std::string_view value);
  // All rows of `other`, behind those that are here.
  void append(const MetricRows& other);
  // Puts the rows in the order of `keys`, one for each; rows of one key stay as they are.
  void sort_by(const std::vector<std::int64_t>& keys);

  std::size_t rows() const noexcept { return steps_.size(); }
  std::size_t points() const noexcept { return points_; }
  std::size_t text_bytes() const noexcept { return text_bytes_; }  // of all dictionaries
  // What a block of these rows has at most.
  std::size_t encoded_bytes_max() const noexcept {
    return 256 + 24 * rows() + 14 * points_ + name_bytes_ + 96 * columns_.size() + text_bytes_;
  }
  const std::vector<std::int64_t>& steps() const noexcept { return steps_; }
  const std::vector<std::int64_t>& times_ns() const noexcept { return times_; }
  const std::vector<MetricColumn>& columns() const noexcept { return columns_; }

 private:
  friend class MetricBlockDecoder;
  struct TextPlaces {
    std::map<std::string, std::uint32_t, std::less<>> places;
  };

  MetricColumn& at_last_row(std::size_t column);

  std::vector<std::int64_t> steps_, times_;
  std::vector<MetricColumn> columns_;
  std::vector<TextPlaces> texts_;                                           // of each column
  std::array<std::map<std::string, std::size_t, std::less<>>, 4> by_name_;  // by kind
  std::size_t points_ = 0;
  std::size_t text_bytes_ = 0;
  std::size_t name_bytes_ = 0;
};

}  // namespace cairn
