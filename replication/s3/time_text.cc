// SPDX-License-Identifier: Apache-2.0
#include "replication/s3/time_text.h"

#include <algorithm>

#include "replication/s3/messages.h"

namespace cairn::s3 {
namespace {

using std::chrono::days;
using std::chrono::sys_days;
using std::chrono::year;
using std::chrono::year_month_day;

std::string digits(std::int64_t value, std::size_t width) {
  std::string text = std::to_string(value);
  return text.size() < width ? std::string(width - text.size(), '0') + text : text;
}

struct Fields {
  std::string date[3];  // year, month, day
  std::string time[3];  // hour, minute, second
};

Fields fields_of(Time time) {
  constexpr Time kFirst = sys_days(year(1970) / 1 / 1);
  constexpr Time kLast = sys_days(year(9999) / 12 / 31) + std::chrono::hours(24) - std::chrono::seconds(1);
  time = std::clamp(time, kFirst, kLast);
  const sys_days day = std::chrono::floor<days>(time);
  const year_month_day date(day);
  const auto second = (time - day).count();
  return {{digits(static_cast<int>(date.year()), 4), digits(static_cast<unsigned>(date.month()), 2),
           digits(static_cast<unsigned>(date.day()), 2)},
          {digits(second / 3600, 2), digits(second / 60 % 60, 2), digits(second % 60, 2)}};
}

// Takes `width` digits from the front.
std::optional<int> take_number(std::string_view& text, std::size_t width) {
  if (text.size() < width) return std::nullopt;
  int value = 0;
  for (const char c : text.substr(0, width)) {
    if (c < '0' || c > '9') return std::nullopt;
    value = value * 10 + (c - '0');
  }
  text.remove_prefix(width);
  return value;
}

}  // namespace

std::string compact_time(Time time) {
  const auto [date, clock] = fields_of(time);
  return date[0] + date[1] + date[2] + "T" + clock[0] + clock[1] + clock[2] + "Z";
}

std::string readable_time(Time time) {
  const auto [date, clock] = fields_of(time);
  return date[0] + "-" + date[1] + "-" + date[2] + "T" + clock[0] + ":" + clock[1] + ":" + clock[2] + "Z";
}

std::optional<Time> read_time(std::string_view text) {
  static constexpr std::size_t kWidths[] = {4, 2, 2, 2, 2, 2};
  static constexpr char kBehind[] = {'-', '-', 'T', ':', ':', '\0'};
  int fields[6] = {};
  for (int i = 0; i < 6; ++i) {
    const std::optional<int> field = take_number(text, kWidths[i]);
    if (!field) return std::nullopt;
    fields[i] = *field;
    if (i == 5) break;
    if (!text.starts_with(kBehind[i])) return std::nullopt;
    text.remove_prefix(1);
  }
  if (text.starts_with('.')) {
    const auto end = text.find_first_not_of("0123456789", 1);
    if (end == 1 || end == std::string_view::npos) return std::nullopt;
    text.remove_prefix(end);
  }
  if (text != "Z" && text != "+00:00" && text != "+0000") return std::nullopt;
  const year_month_day date = year(fields[0]) / fields[1] / fields[2];
  // A leap second is read as the second after it.
  if (fields[0] < 1970 || !date.ok() || fields[3] > 23 || fields[4] > 59 || fields[5] > 60) return std::nullopt;
  return sys_days(date) + std::chrono::hours(fields[3]) + std::chrono::minutes(fields[4]) +
         std::chrono::seconds(fields[5]);
}

std::optional<Time> read_http_time(std::string_view text) {
  static constexpr std::string_view kMonths = "JanFebMarAprMayJunJulAugSepOctNovDec";
  // Every field has its place: "Fri, DD Mon YYYY HH:MM:SS GMT".
  if (text.size() != 29 || text.substr(3, 2) != ", " || text.substr(25) != " GMT") return std::nullopt;
  const std::size_t month = kMonths.find(text.substr(8, 3));
  if (month == std::string_view::npos || month % 3 != 0) return std::nullopt;
  const std::string number = digits(static_cast<std::int64_t>(month / 3 + 1), 2);
  const std::string_view day = text.substr(5, 2);
  return read_time(std::string(text.substr(12, 4)) + "-" + number + "-" + std::string(day) + "T" +
                   std::string(text.substr(17, 8)) + "Z");
}

Result<Time> parse_time(std::string_view text) {
  if (const std::optional<Time> time = read_time(text)) return *time;
  return make_error(ErrorCode::corruption, quoted(text) + " is no time such as 2013-05-24T00:00:00Z");
}

}  // namespace cairn::s3
