// SPDX-License-Identifier: Apache-2.0
//
// Numbers, times and names as people read them, and sizes as people write them.
#pragma once

#include <chrono>
#include <cstdint>
#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "cairn/result.h"

namespace cairn::cli {

std::string size_text(std::uint64_t bytes);                       // "1.25 GiB"; "17 B"
std::string rate_text(std::uint64_t bytes, double seconds);       // "310 MiB/s"
std::string duration_text(double seconds);                        // "1.2 s", "3 min 05 s"
std::string ratio_text(std::uint64_t part, std::uint64_t whole);  // "0.662"; "-" of nothing
std::string count_text(std::uint64_t count);                      // "12,345"
// "1 file", "12,345 files".
std::string count_text(std::uint64_t count, std::string_view one, std::string_view many);
std::string shape_text(const std::vector<std::uint64_t>& shape);   // "[4096, 128]"
std::string mode_text(std::string_view kind, std::uint32_t mode);  // "-rw-r--r--"
std::string codecs_text(const std::map<std::string, std::uint64_t>& blocks_by_codec);
std::string tags_text(const std::map<std::string, std::string>& tags);

// RFC 3339 in UTC; with a fraction only where there is one.
std::string utc_text(std::int64_t ns_since_epoch);
// To the second, in the user's time zone.
std::string local_time_text(std::int64_t ns_since_epoch);

// "4096", "64KiB", "1MiB", "2GB": binary units with an i, decimal ones without.
Result<std::uint64_t> parse_size(const std::string& text);
// Of an option: "5%", from 0 to 100, as a share of 1; the sign may be left out.
Result<double> parse_share(const std::string& option, const std::string& text);
// Of an option: "90s", "30m", "24h", "7d" or "0".
Result<std::chrono::seconds> parse_duration(const std::string& option, const std::string& text);

// `text` without anything that moves a cursor, rings a bell or turns the direction of
// writing: control characters, invalid UTF-8 and bidirectional controls become \xNN.
std::string printable(std::string_view text);

bool is_utf8(std::string_view text);

// Columns on the screen, taking each character as one wide.
std::size_t display_width(std::string_view text);

// Whether `text` matches the glob: '*' any run, '?' any one byte.
bool matches_glob(std::string_view glob, std::string_view text);

// Rows in aligned columns, two spaces apart.
class Table {
 public:
  enum class Align : std::uint8_t { left, right };
  struct Column {
    std::string title;
    Align align = Align::left;
  };

  explicit Table(std::vector<Column> columns) : columns_(std::move(columns)) {}
  void add(std::vector<std::string> row) { rows_.push_back(std::move(row)); }
  bool empty() const { return rows_.empty(); }
  void clear() { rows_.clear(); }
  // With a line of titles unless all of them are empty, between `title_on` and `title_off`.
  std::string text(std::string_view title_on = "", std::string_view title_off = "") const;

 private:
  std::vector<Column> columns_;
  std::vector<std::vector<std::string>> rows_;
};

}  // namespace cairn::cli
