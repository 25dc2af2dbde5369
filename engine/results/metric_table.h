// SPDX-License-Identifier: Apache-2.0
//
// Metrics of some runs as one wide table: a row for each row that was logged, a column for each series.
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "cairn/result.h"
#include "engine/results/metric_reader.h"

namespace cairn {

struct MetricTableColumn {
  std::string name;  // UTF-8; no other column has it
  std::string series;
  bool is_text = false;     // otherwise numbers: a series with both has two columns
  bool is_integer = false;  // every number is one
  bool is_float32 = false;  // every number is one
};

struct MetricTable {
  std::vector<MetricTableColumn> columns;  // by series; behind run, step and time
  bool times_are_us = true;                // every time is a whole microsecond
};

// Looks at the heads of all blocks.
Result<MetricTable> metric_table(MetricReader& reader, std::span<const std::string> runs);

// Goes through the cells of one block's rows, row by row.
class MetricTableRows {
 public:
  struct Cell {
    const MetricColumn* column = nullptr;
    std::size_t at = 0;

    std::int64_t integer() const { return column->integers[at]; }
    double number() const { return column->number(at); }
    const std::string& text() const { return column->dictionary[column->texts[at]]; }
  };

  // conflict when the table has no place for what is in the rows: they were logged behind metric_table().
  static Result<MetricTableRows> of(const MetricTable& table, const MetricRows& rows);

  // The cell of the table's column in the row; rows are asked for in ascending order, each column once.
  std::optional<Cell> cell(std::size_t column, std::uint32_t row);

 private:
  explicit MetricTableRows(std::size_t columns) : next_(columns) {}

  std::vector<std::vector<Cell>> next_;  // of each column, those of its kinds
};

// `text` itself when it is UTF-8; otherwise with U+FFFD for what is not.
std::string to_utf8(std::string_view text);

}  // namespace cairn
