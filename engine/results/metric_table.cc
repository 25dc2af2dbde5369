// SPDX-License-Identifier: Apache-2.0
//
// Which columns a table has, and where its cells are.
#include "engine/results/metric_table.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <map>
#include <set>
#include <utility>

#include "engine/base/errors.h"

namespace cairn {
namespace {

struct Kinds {
  bool has_numbers = false, has_texts = false;
  bool is_integer = true, is_float32 = true;

  void add(const MetricColumnHead& column) {
    if (column.kind == MetricKind::text) {
      has_texts = true;
      return;
    }
    has_numbers = true;
    is_integer = is_integer && column.kind == MetricKind::integer;
    is_float32 = is_float32 && column.is_float32;
  }
};

bool all_float32(const MetricColumn& column) {
  return column.kind == MetricKind::real && std::ranges::all_of(column.reals, [](double value) {
           return !std::isfinite(value) || (std::abs(value) <= std::numeric_limits<float>::max() &&
                                            static_cast<double>(static_cast<float>(value)) == value);
         });
}

// How many bytes the character at the front of `text` has; 0 when it is none.
std::size_t utf8_character(std::string_view text) {
  const auto byte = [&](std::size_t i) { return static_cast<unsigned char>(text[i]); };
  const unsigned first = byte(0);
  if (first < 0x80) return 1;
  const std::size_t size = first >= 0xf0 ? 4 : first >= 0xe0 ? 3 : 2;
  if (first < 0xc2 || first > 0xf4 || text.size() < size) return 0;
  for (std::size_t i = 1; i < size; ++i) {
    if ((byte(i) & 0xc0) != 0x80) return 0;
  }
  // Longer than needed, surrogates, and beyond the last.
  const unsigned second = byte(1);
  if ((first == 0xe0 && second < 0xa0) || (first == 0xed && second > 0x9f)) return 0;
  if ((first == 0xf0 && second < 0x90) || (first == 0xf4 && second > 0x8f)) return 0;
  return size;
}

std::string unused_name(std::string name, std::set<std::string>& used) {
  const std::string plain = name;
  for (int i = 2; !used.insert(name).second; ++i) name = plain + " (" + std::to_string(i) + ")";
  return name;
}

}  // namespace

std::string to_utf8(std::string_view text) {
  std::string out;
  while (!text.empty()) {
    const std::size_t size = utf8_character(text);
    out.append(size == 0 ? "\xef\xbf\xbd" : text.substr(0, size));
    text.remove_prefix(size == 0 ? 1 : size);
  }
  return out;
}

Result<MetricTable> metric_table(MetricReader& reader, std::span<const std::string> runs) {
  reader.flush();
  MetricTable table;
  std::map<std::string, Kinds> series;
  for (const std::string& run : runs) {
    const auto visit = [&](const MetricBlockHead& head, const MetricReader::ReadBlock&) -> Result<bool> {
      table.times_are_us = table.times_are_us && head.tick_ns % 1000 == 0;
      for (const MetricColumnHead& column : head.columns) series[column.name].add(column);
      return true;
    };
    CAIRN_CHECK(reader.blocks(run, EntryStore::Order::ascending, visit));
  }
  std::set<std::string> used = {"run", "step", "time", "time_ns"};
  for (const auto& [name, kinds] : series) {
    if (kinds.has_numbers) {
      table.columns.push_back({.name = unused_name(to_utf8(name), used),
                               .series = name,
                               .is_text = false,
                               .is_integer = kinds.is_integer,
                               .is_float32 = kinds.is_float32});
    }
    if (kinds.has_texts) {
      const std::string plain = to_utf8(name);
      table.columns.push_back(
          {.name = unused_name(kinds.has_numbers ? plain + " (text)" : plain, used), .series = name, .is_text = true});
    }
  }
  return table;
}

Result<MetricTableRows> MetricTableRows::of(const MetricTable& table, const MetricRows& rows) {
  const auto grown = [](const std::string& what) {
    Error error =
        make_error(ErrorCode::conflict, what + " was logged while the run was read; reading it again may help");
    error.retryable = true;
    return error;
  };
  std::map<std::pair<std::string_view, bool>, std::size_t> places;
  for (std::size_t i = 0; i < table.columns.size(); ++i) {
    places.emplace(std::pair<std::string_view, bool>(table.columns[i].series, table.columns[i].is_text), i);
  }
  if (table.times_are_us && std::ranges::any_of(rows.times_ns(), [](std::int64_t time) { return time % 1000 != 0; })) {
    return grown("a finer time");
  }
  MetricTableRows cells(table.columns.size());
  for (const MetricColumn& column : rows.columns()) {
    const auto found = places.find({column.name, column.kind == MetricKind::text});
    if (found == places.end()) return grown("a new series, " + column.name + ",");
    const MetricTableColumn& place = table.columns[found->second];
    if (place.is_integer && column.kind == MetricKind::real) return grown("a real of " + column.name);
    if (place.is_float32 && !all_float32(column)) return grown("a double of " + column.name);
    cells.next_[found->second].push_back({&column, 0});
  }
  return cells;
}

std::optional<MetricTableRows::Cell> MetricTableRows::cell(std::size_t column, std::uint32_t row) {
  std::optional<Cell> found;
  for (Cell& next : next_[column]) {
    if (next.at == next.column->count() || next.column->rows[next.at] != row) continue;
    // Of an integer and a real in one row, of which only other writers' blocks know, the first.
    if (!found) found = next;
    ++next.at;
  }
  return found;
}

}  // namespace cairn
