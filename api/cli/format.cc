// SPDX-License-Identifier: Apache-2.0
#include "api/cli/format.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <charconv>
#include <cmath>
#include <ctime>

namespace cairn::cli {

std::string size_text(std::uint64_t bytes) {
  if (bytes < 1024) return fmt::format("{} B", bytes);
  constexpr std::array<const char*, 6> kUnits = {"KiB", "MiB", "GiB", "TiB", "PiB", "EiB"};
  double value = static_cast<double>(bytes) / 1024;
  std::size_t unit = 0;
  // 1023.95 and more would print as 1024 of the smaller unit.
  while (value >= 1023.95 && unit + 1 < kUnits.size()) {
    value /= 1024;
    ++unit;
  }
  return fmt::format("{:.{}f} {}", value, value < 9.995 ? 2 : value < 99.95 ? 1 : 0, kUnits[unit]);
}

std::string rate_text(std::uint64_t bytes, double seconds) {
  if (!(seconds > 0)) return "-";
  const double rate = static_cast<double>(bytes) / seconds;
  return size_text(rate < 1e19 ? static_cast<std::uint64_t>(rate) : UINT64_MAX) + "/s";
}

std::string duration_text(double seconds) {
  if (seconds < 0.0995) return fmt::format("{:.0f} ms", seconds * 1000);
  if (seconds < 9.95) return fmt::format("{:.1f} s", seconds);
  if (seconds < 99.5) return fmt::format("{:.0f} s", seconds);
  if (seconds > 359'999) return fmt::format("{:.0f} h", seconds / 3600);
  const auto whole = static_cast<std::uint64_t>(std::llround(seconds));
  if (whole < 3600) return fmt::format("{} min {:02} s", whole / 60, whole % 60);
  return fmt::format("{} h {:02} min", whole / 3600, whole / 60 % 60);
}

std::string ratio_text(std::uint64_t part, std::uint64_t whole) {
  if (whole == 0) return "-";
  return fmt::format("{:.3f}", static_cast<double>(part) / static_cast<double>(whole));
}

std::string count_text(std::uint64_t count) {
  std::string digits = std::to_string(count);
  for (std::size_t at = digits.size(); at > 3; at -= 3) digits.insert(at - 3, ",");
  return digits;
}

std::string count_text(std::uint64_t count, std::string_view one, std::string_view many) {
  return fmt::format("{} {}", count_text(count), count == 1 ? one : many);
}

std::string shape_text(const std::vector<std::uint64_t>& shape) { return fmt::format("[{}]", fmt::join(shape, ", ")); }

std::string mode_text(std::string_view kind, std::uint32_t mode) {
  std::string text = kind == "directory" ? "d" : kind == "symlink" ? "l" : "-";
  for (int shift = 6; shift >= 0; shift -= 3) {
    const std::uint32_t bits = mode >> shift;
    text += (bits & 4) != 0 ? 'r' : '-';
    text += (bits & 2) != 0 ? 'w' : '-';
    text += (bits & 1) != 0 ? 'x' : '-';
  }
  const auto special = [&](std::size_t at, std::uint32_t bit, char with_x, char without_x) {
    if ((mode & bit) != 0) text[at] = text[at] == 'x' ? with_x : without_x;
  };
  special(3, 04000, 's', 'S');
  special(6, 02000, 's', 'S');
  special(9, 01000, 't', 'T');
  return text;
}

std::string codecs_text(const std::map<std::string, std::uint64_t>& blocks_by_codec) {
  std::string text;
  for (const auto& [codec, blocks] : blocks_by_codec) {
    if (!text.empty()) text += ", ";
    text += blocks_by_codec.size() == 1 ? codec : fmt::format("{} {}", codec, blocks);
  }
  return text;
}

std::string tags_text(const std::map<std::string, std::string>& tags) {
  std::string text;
  for (const auto& [key, value] : tags) {
    if (!text.empty()) text += ' ';
    text += key + "=" + value;
  }
  return text;
}

namespace {

constexpr std::int64_t kSecond = 1'000'000'000;

std::int64_t whole_seconds(std::int64_t ns) { return ns / kSecond - (ns % kSecond < 0 ? 1 : 0); }

std::string date_text(const std::tm& date, char between) {
  return fmt::format("{:04}-{:02}-{:02}{}{:02}:{:02}:{:02}", date.tm_year + 1900, date.tm_mon + 1, date.tm_mday,
                     between, date.tm_hour, date.tm_min, date.tm_sec);
}

}  // namespace

std::string utc_text(std::int64_t ns_since_epoch) {
  const std::time_t seconds = whole_seconds(ns_since_epoch);
  std::tm date{};
  ::gmtime_r(&seconds, &date);
  const std::int64_t fraction = ns_since_epoch - seconds * kSecond;
  std::string text = date_text(date, 'T');
  if (fraction != 0) text += fmt::format(".{:09}", fraction);
  return text + "Z";
}

std::string local_time_text(std::int64_t ns_since_epoch) {
  const std::time_t seconds = whole_seconds(ns_since_epoch);
  std::tm date{};
  ::localtime_r(&seconds, &date);
  return date_text(date, ' ');
}

Result<std::uint64_t> parse_size(const std::string& text) {
  const auto refuse = [&] {
    return Error{.code = ErrorCode::invalid_argument,
                 .message = "'" + printable(text) + "' is no size: write 4096, 64KiB, 1MiB or 2GB"};
  };
  std::uint64_t number = 0;
  const auto [end, failure] = std::from_chars(text.data(), text.data() + text.size(), number);
  if (failure != std::errc{}) return refuse();
  const std::string unit(end, text.data() + text.size());
  std::uint64_t factor = 1;
  if (!unit.empty() && unit != "B") {
    const std::size_t power = std::string_view("KMGT").find(static_cast<char>(std::toupper(unit.front()))) + 1;
    const std::string rest = unit.substr(1);
    if (power == 0 || (rest != "iB" && rest != "B" && !rest.empty())) return refuse();
    for (std::size_t i = 0; i < power; ++i) factor *= rest == "B" ? 1000 : 1024;
  }
  if (number > UINT64_MAX / factor) return refuse();
  return number * factor;
}

Result<double> parse_share(const std::string& option, const std::string& text) {
  std::string_view digits = text;
  if (digits.ends_with('%')) digits.remove_suffix(1);
  double percent = 0;
  const auto parsed = std::from_chars(digits.data(), digits.data() + digits.size(), percent);
  if (parsed.ec == std::errc{} && parsed.ptr == digits.data() + digits.size() && percent >= 0 && percent <= 100) {
    return percent / 100;
  }
  return Error{.code = ErrorCode::invalid_argument,
               .message = option + " '" + printable(text) + "' is not a percentage from 0% to 100%"};
}

Result<std::chrono::seconds> parse_duration(const std::string& option, const std::string& text) {
  constexpr std::uint64_t kDaysMax = 36'500;
  std::uint64_t number = 0;
  const auto [end, failure] = std::from_chars(text.data(), text.data() + text.size(), number);
  const std::string_view unit(end, static_cast<std::size_t>(text.data() + text.size() - end));
  const std::uint64_t factor = unit == "s" ? 1 : unit == "m" ? 60 : unit == "h" ? 3600 : unit == "d" ? 86'400 : 0;
  const bool is_zero = failure == std::errc{} && number == 0 && unit.empty();
  if (is_zero || (failure == std::errc{} && factor > 0 && number <= kDaysMax * 86'400 / factor)) {
    return std::chrono::seconds(number * factor);
  }
  return Error{.code = ErrorCode::invalid_argument,
               .message = option + " '" + printable(text) + "' is no duration: write 90s, 30m, 24h, 7d or 0"};
}

namespace {

// The length of the valid UTF-8 character that `text` starts with, and its code point;
// length 0 when there is none.
struct Character {
  std::size_t length = 0;
  std::uint32_t code = 0;
};

Character first_character(std::string_view text) {
  const auto byte = [&](std::size_t at) { return static_cast<unsigned char>(text[at]); };
  const unsigned char lead = byte(0);
  if (lead < 0x80) return {1, lead};
  const std::size_t length = lead >= 0xC2 && lead < 0xE0   ? 2
                             : lead >= 0xE0 && lead < 0xF0 ? 3
                             : lead >= 0xF0 && lead < 0xF5 ? 4
                                                           : 0;
  if (length == 0 || text.size() < length) return {};
  std::uint32_t code = lead & (0x7FU >> length);
  for (std::size_t at = 1; at < length; ++at) {
    if ((byte(at) & 0xC0) != 0x80) return {};
    code = code << 6 | (byte(at) & 0x3FU);
  }
  constexpr std::array<std::uint32_t, 5> kLeast = {0, 0, 0x80, 0x800, 0x10000};
  if (code < kLeast[length] || code > 0x10FFFF || (code >= 0xD800 && code < 0xE000)) return {};
  return {length, code};
}

bool is_harmless(std::uint32_t code) {
  if (code < 0x20 || (code >= 0x7F && code < 0xA0)) return false;
  const bool bidirectional = (code >= 0x202A && code <= 0x202E) || (code >= 0x2066 && code <= 0x2069) ||
                             code == 0x200E || code == 0x200F || code == 0x061C;
  return !bidirectional && code != 0x2028 && code != 0x2029;
}

}  // namespace

std::string printable(std::string_view text) {
  std::string out;
  out.reserve(text.size());
  while (!text.empty()) {
    const Character character = first_character(text);
    const std::size_t length = std::max<std::size_t>(character.length, 1);
    if (character.length > 0 && is_harmless(character.code)) {
      out += text.substr(0, length);
    } else {
      for (const char byte : text.substr(0, length)) out += fmt::format("\\x{:02x}", static_cast<unsigned char>(byte));
    }
    text.remove_prefix(length);
  }
  return out;
}

bool is_utf8(std::string_view text) {
  while (!text.empty()) {
    const Character character = first_character(text);
    if (character.length == 0) return false;
    text.remove_prefix(character.length);
  }
  return true;
}

std::size_t display_width(std::string_view text) {
  return static_cast<std::size_t>(std::count_if(
      text.begin(), text.end(), [](char byte) { return (static_cast<unsigned char>(byte) & 0xC0) != 0x80; }));
}

bool matches_glob(std::string_view glob, std::string_view text) {
  // On a mismatch only the last '*' needs to take one more byte: linear but for repeats.
  std::size_t g = 0, t = 0, star = std::string_view::npos, after_star = 0;
  while (t < text.size()) {
    if (g < glob.size() && glob[g] == '*') {
      star = g++;
      after_star = t;
    } else if (g < glob.size() && (glob[g] == '?' || glob[g] == text[t])) {
      ++g;
      ++t;
    } else if (star != std::string_view::npos) {
      g = star + 1;
      t = ++after_star;
    } else {
      return false;
    }
  }
  while (g < glob.size() && glob[g] == '*') ++g;
  return g == glob.size();
}

std::string Table::text(std::string_view title_on, std::string_view title_off) const {
  std::vector<std::size_t> widths;
  bool titled = false;
  for (std::size_t i = 0; i < columns_.size(); ++i) {
    std::size_t width = display_width(columns_[i].title);
    for (const auto& row : rows_) width = std::max(width, display_width(row[i]));
    widths.push_back(width);
    titled = titled || !columns_[i].title.empty();
  }
  std::string out;
  const auto line_of = [&](const std::vector<std::string>& cells) {
    std::string line;
    for (std::size_t i = 0; i < cells.size(); ++i) {
      if (i > 0) line += "  ";
      const std::string padding(widths[i] - display_width(cells[i]), ' ');
      line += columns_[i].align == Align::right ? padding + cells[i] : cells[i] + padding;
    }
    line.erase(line.find_last_not_of(' ') + 1);
    return line;
  };
  if (titled) {
    std::vector<std::string> titles;
    for (const Column& column : columns_) titles.push_back(column.title);
    out += std::string(title_on) + line_of(titles) + std::string(title_off) + "\n";
  }
  for (const auto& row : rows_) out += line_of(row) + "\n";
  return out;
}

}  // namespace cairn::cli
