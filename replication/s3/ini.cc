// SPDX-License-Identifier: Apache-2.0
#include "replication/s3/ini.h"

#include <algorithm>

#include "replication/s3/messages.h"

namespace cairn::s3 {
namespace {

bool is_space(char c) { return c == ' ' || c == '\t'; }

std::string_view trimmed(std::string_view text) {
  while (!text.empty() && is_space(text.front())) text.remove_prefix(1);
  while (!text.empty() && is_space(text.back())) text.remove_suffix(1);
  return text;
}

std::string_view without_comment(std::string_view text) {
  for (std::size_t at = 0; at < text.size(); ++at) {
    if ((text[at] == '#' || text[at] == ';') && (at == 0 || is_space(text[at - 1]))) return text.substr(0, at);
  }
  return text;
}

std::string_view take_line(std::string_view& text) {
  const auto end = text.find('\n');
  std::string_view line = text.substr(0, end);
  text.remove_prefix(end == std::string_view::npos ? text.size() : end + 1);
  if (line.ends_with('\r')) line.remove_suffix(1);
  return line;
}

bool same_name(std::string_view a, std::string_view b) {
  const auto small = [](char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c; };
  return std::equal(a.begin(), a.end(), b.begin(), b.end(), [&](char x, char y) { return small(x) == small(y); });
}

}  // namespace

Result<Ini> Ini::parse(std::string_view text, std::string_view file) {
  const auto refused = [&](std::string_view why) {
    return make_error(ErrorCode::invalid_argument, std::string(file) + " " + std::string(why));
  };
  if (text.size() > kIniBytesMax) return refused("is longer than 1 MiB");
  if (text.find('\0') != std::string_view::npos) return refused("holds a NUL, so it is no text");
  constexpr std::string_view kByteOrderMark = "\xef\xbb\xbf";
  if (text.starts_with(kByteOrderMark)) text.remove_prefix(kByteOrderMark.size());

  Ini ini;
  std::optional<std::string_view> section;
  bool in_property = false;
  for (std::size_t number = 1; !text.empty(); ++number) {
    const std::string_view line = take_line(text);
    const std::string_view content = trimmed(without_comment(line));
    if (content.empty()) continue;
    if (in_property && is_space(line.front())) continue;
    const auto broken = [&](std::string_view why) {
      return refused("line " + std::to_string(number) + " " + std::string(why));
    };
    if (content.front() == '[') {
      if (content.back() != ']') return broken("has no ']' at the end of a section's name");
      section = trimmed(content.substr(1, content.size() - 2));
      if (section->empty()) return broken("has a section without a name");
      ini.properties_.push_back({.section = *section, .name = {}, .value = {}});
      in_property = false;
      continue;
    }
    const auto equals = content.find('=');
    const std::string_view name = trimmed(content.substr(0, equals));
    if (equals == std::string_view::npos || name.empty()) return broken("is neither [section] nor name = value");
    if (!section) return broken("comes before any section");
    ini.properties_.push_back({.section = *section, .name = name, .value = trimmed(content.substr(equals + 1))});
    in_property = true;
  }
  return ini;
}

bool Ini::has_section(std::string_view section) const {
  return std::any_of(properties_.begin(), properties_.end(), [&](const Property& p) { return p.section == section; });
}

std::optional<std::string_view> Ini::value(std::string_view section, std::string_view name) const {
  const auto last = std::find_if(properties_.rbegin(), properties_.rend(), [&](const Property& p) {
    return p.section == section && !p.name.empty() && same_name(p.name, name);
  });
  if (last == properties_.rend()) return std::nullopt;
  return last->value;
}

}  // namespace cairn::s3
