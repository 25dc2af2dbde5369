// SPDX-License-Identifier: Apache-2.0
//
// Rows into the bytes of a block: which columns each row has, the head, and the columns one after another.
#include <algorithm>
#include <bit>
#include <cmath>
#include <limits>
#include <map>
#include <string>

#include "engine/base/errors.h"
#include "engine/results/metric_block.h"
#include "engine/results/metric_block_layout.h"

namespace cairn {
namespace {

using namespace metric_block;

Error too_much(std::string what) {
  return make_error(ErrorCode::invalid_argument, "a block of metrics is asked to hold " + std::move(what));
}

Status check_limits(const MetricRows& rows) {
  if (rows.rows() > kMetricBlockRowsMax) return too_much(std::to_string(rows.rows()) + " rows");
  if (rows.columns().size() > kMetricBlockColumnsMax) {
    return too_much(std::to_string(rows.columns().size()) + " columns");
  }
  if (rows.points() > kMetricBlockPointsMax) return too_much(std::to_string(rows.points()) + " values");
  for (const MetricColumn& column : rows.columns()) {
    if (column.name.size() > kMetricNameBytesMax) return too_much("a name of more than 1024 bytes");
    for (const std::string& text : column.dictionary) {
      if (text.size() > kMetricTextBytesMax) return too_much("a text of more than 4096 bytes in " + column.name);
    }
  }
  return {};
}

// Which columns a row has, as a number for each set of columns that occurs. A set is known by the one with a column
// less and the column: rows of a training loop share few.
struct Shapes {
  struct Set {
    std::uint64_t without_last = 0;
    std::uint16_t last = 0;
  };
  static constexpr std::uint64_t kUnnamed = std::numeric_limits<std::uint64_t>::max();

  std::vector<std::vector<std::uint16_t>> sets;
  std::vector<std::uint64_t> of_rows;

  explicit Shapes(const MetricRows& rows) : of_rows(rows.rows(), 0) {
    std::vector<Set> made(1);  // the empty one
    std::map<std::pair<std::uint64_t, std::uint16_t>, std::uint64_t> longer;
    for (std::size_t c = 0; c < rows.columns().size(); ++c) {
      const auto column = static_cast<std::uint16_t>(c);
      std::uint64_t before = kUnnamed, after = 0;
      for (const std::uint32_t row : rows.columns()[c].rows) {
        if (of_rows[row] != before) {
          before = of_rows[row];
          const auto [found, is_new] = longer.emplace(std::pair(before, column), made.size());
          if (is_new) made.push_back({before, column});
          after = found->second;
        }
        of_rows[row] = after;
      }
    }
    name_those_of_rows(made);
  }

 private:
  // In the order in which they first come.
  void name_those_of_rows(const std::vector<Set>& made) {
    std::vector<std::uint64_t> names(made.size(), kUnnamed);
    for (std::uint64_t& shape : of_rows) {
      if (names[shape] == kUnnamed) {
        names[shape] = sets.size();
        auto& set = sets.emplace_back();
        for (std::uint64_t at = shape; at != 0; at = made[at].without_last) set.push_back(made[at].last);
        std::ranges::reverse(set);
      }
      shape = names[shape];
    }
  }
};

bool fits_float(double value) {
  return std::isnan(value) || std::bit_cast<std::uint64_t>(static_cast<double>(static_cast<float>(value))) ==
                                  std::bit_cast<std::uint64_t>(value);
}

std::uint8_t width_of(const MetricColumn& column) {
  if (column.kind != MetricKind::real) return 8;
  return std::ranges::all_of(column.reals,
                             [](double value) {
                               // What a float has no room for would be undefined to convert.
                               return std::abs(value) > std::numeric_limits<float>::max() ? std::isinf(value)
                                                                                          : fits_float(value);
                             })
             ? 4
             : 8;
}

// Every NaN is the same one: columns with them compress, and equal rows have equal blocks.
std::uint64_t double_bits(double value) {
  return std::bit_cast<std::uint64_t>(std::isnan(value) ? std::numeric_limits<double>::quiet_NaN() : value);
}
std::uint32_t float_bits(double value) {
  return std::bit_cast<std::uint32_t>(std::isnan(value) ? std::numeric_limits<float>::quiet_NaN()
                                                        : static_cast<float>(value));
}

std::vector<std::uint64_t> words_of(const MetricColumn& column, std::uint8_t width) {
  std::vector<std::uint64_t> words;
  words.reserve(column.count());
  for (const double value : column.reals) words.push_back(width == 4 ? float_bits(value) : double_bits(value));
  for (const std::int64_t value : column.integers) words.push_back(static_cast<std::uint64_t>(value));
  for (const std::uint32_t value : column.texts) words.push_back(value);
  return words;
}

std::vector<std::byte> body_of(const MetricColumn& column, std::uint8_t width) {
  std::vector<std::byte> body;
  if (column.kind == MetricKind::text) {
    ByteWriter writer(body);
    writer.put(static_cast<std::uint32_t>(column.dictionary.size()));
    for (const std::string& text : column.dictionary) writer.put_string(text);
  }
  encode_numbers(words_of(column, width), word_kind(column.kind, width), body);
  return body;
}

struct Range {
  std::uint32_t nans = 0;
  std::uint64_t min = 0, max = 0, last = 0;  // bits, as the column has them
};

Range range_of(const MetricColumn& column) {
  Range range;
  if (column.kind == MetricKind::integer) {
    const auto [min, max] = std::ranges::minmax_element(column.integers);
    range.min = static_cast<std::uint64_t>(*min);
    range.max = static_cast<std::uint64_t>(*max);
    range.last = static_cast<std::uint64_t>(column.integers.back());
  } else if (column.kind == MetricKind::real) {
    double min = std::numeric_limits<double>::infinity(), max = -min;
    for (const double value : column.reals) {
      if (std::isnan(value)) {
        ++range.nans;
      } else {
        min = std::min(min, value);
        max = std::max(max, value);
      }
    }
    if (range.nans != column.reals.size()) {
      range.min = double_bits(min);
      range.max = double_bits(max);
    }
    range.last = double_bits(column.reals.back());
  }
  return range;
}

std::vector<std::uint64_t> words_of(const std::vector<std::int64_t>& values, std::int64_t unit) {
  std::vector<std::uint64_t> words;
  words.reserve(values.size());
  for (const std::int64_t value : values) words.push_back(static_cast<std::uint64_t>(value / unit));
  return words;
}

// The coarsest one in which every time is exact.
std::uint8_t tick_exponent(const std::vector<std::int64_t>& times) {
  for (const std::uint8_t exponent : {std::uint8_t{6}, std::uint8_t{3}}) {
    if (std::ranges::all_of(times, [&](std::int64_t time) { return time % tick_of(exponent) == 0; })) return exponent;
  }
  return 0;
}

void put_range(const std::vector<std::int64_t>& values, ByteWriter& writer) {
  const auto [min, max] = std::ranges::minmax_element(values);
  writer.put(values.empty() ? std::uint64_t{0} : static_cast<std::uint64_t>(*min));
  writer.put(values.empty() ? std::uint64_t{0} : static_cast<std::uint64_t>(*max));
}

void put_column(const MetricColumn& column, std::uint8_t width, std::size_t body_bytes, ByteWriter& writer) {
  writer.put_string(column.name);
  writer.put(static_cast<std::uint8_t>(column.kind));
  writer.put(width);
  writer.put(static_cast<std::uint32_t>(column.count()));
  const Range range = range_of(column);
  writer.put(range.nans);
  writer.put(range.min);
  writer.put(range.max);
  writer.put(range.last);
  writer.put(static_cast<std::uint32_t>(body_bytes));
}

}  // namespace

Result<std::vector<std::byte>> encode_metric_block(const MetricRows& rows) {
  CAIRN_CHECK(check_limits(rows));
  for (const MetricColumn& column : rows.columns()) CAIRN_INVARIANT(column.count() != 0);
  const Shapes shapes(rows);
  const std::uint8_t exponent = tick_exponent(rows.times_ns());
  std::vector<std::byte> steps, times, shape_of_rows;
  encode_numbers(words_of(rows.steps(), 1), WordKind::integer64, steps);
  encode_numbers(words_of(rows.times_ns(), tick_of(exponent)), WordKind::integer64, times);
  encode_numbers(shapes.of_rows, WordKind::integer64, shape_of_rows);

  std::vector<std::byte> out;
  ByteWriter writer(out);
  writer.put(kVersion);
  writer.put(exponent);
  writer.put(std::uint16_t{0});
  writer.put(static_cast<std::uint32_t>(rows.rows()));
  put_range(rows.steps(), writer);
  put_range(rows.times_ns(), writer);
  writer.put(static_cast<std::uint32_t>(rows.columns().size()));
  writer.put(static_cast<std::uint32_t>(shapes.sets.size()));
  writer.put(std::uint32_t{0});  // the directory's length, below
  std::vector<std::vector<std::byte>> bodies;
  for (const MetricColumn& column : rows.columns()) {
    const std::uint8_t width = width_of(column);
    bodies.push_back(body_of(column, width));
    put_column(column, width, bodies.back().size(), writer);
  }
  for (const auto& set : shapes.sets) {
    writer.put(static_cast<std::uint32_t>(set.size()));
    for (const std::uint16_t column : set) writer.put(column);
  }
  for (const auto* body : {&steps, &times, &shape_of_rows}) writer.put(static_cast<std::uint32_t>(body->size()));
  store_le(out.data() + kDirectoryBytesAt, static_cast<std::uint32_t>(out.size()));
  for (const auto* body : {&steps, &times, &shape_of_rows}) writer.put_bytes(*body);
  for (const auto& body : bodies) writer.put_bytes(body);
  return out;
}

}  // namespace cairn
