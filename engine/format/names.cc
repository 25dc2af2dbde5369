// SPDX-License-Identifier: Apache-2.0
//
// Which names and paths are allowed, and how any bytes are shown to people. Names come
// from command lines, other people's archives and hostile manifests alike.
#include "engine/base/errors.h"
#include "engine/format/manifest.h"

namespace cairn {
namespace {

constexpr std::size_t kRefNameBytesMax = 255;
// Of a name that is quoted in an error: enough to recognise it by.
constexpr std::size_t kQuotedBytesMax = 300;

struct CodePoint {
  char32_t value = 0;
  std::size_t bytes = 0;  // 0: the text does not begin with valid UTF-8
};

// The first code point of a non-empty text, as RFC 3629 allows them: shortest form only,
// no surrogates, nothing above U+10FFFF.
CodePoint first_code_point(std::string_view text) noexcept {
  const auto byte = [&](std::size_t i) { return static_cast<unsigned char>(text[i]); };
  const unsigned char lead = byte(0);
  if (lead < 0x80) return {lead, 1};
  const std::size_t bytes = lead >= 0xf0 ? 4 : lead >= 0xe0 ? 3 : 2;
  if (lead < 0xc2 || lead > 0xf4 || text.size() < bytes) return {};
  char32_t value = lead & (0xffu >> (bytes + 1));
  for (std::size_t i = 1; i < bytes; ++i) {
    if ((byte(i) & 0xc0) != 0x80) return {};
    value = value << 6 | (byte(i) & 0x3fu);
  }
  constexpr char32_t kSmallest[] = {0, 0, 0x80, 0x800, 0x10000};
  if (value < kSmallest[bytes] || value > 0x10ffff || (value >= 0xd800 && value <= 0xdfff)) return {};
  return {value, bytes};
}

// The control characters of ASCII and Latin-1, line and paragraph separators, and the
// codes that reorder the text around them: each can make a terminal show something else.
bool is_control(char32_t value) noexcept {
  return value < 0x20 || (value >= 0x7f && value <= 0x9f) || (value >= 0x2028 && value <= 0x202e) ||
         (value >= 0x2066 && value <= 0x2069);
}

// Whether a '/'-separated component of `text` satisfies `predicate`.
template <class Predicate>
bool any_component(std::string_view text, Predicate predicate) {
  while (true) {
    const auto slash = text.find('/');
    if (predicate(text.substr(0, slash))) return true;
    if (slash == std::string_view::npos) return false;
    text.remove_prefix(slash + 1);
  }
}

std::string quoted(std::string_view text) {
  std::string result = "'" + printable(text.substr(0, kQuotedBytesMax));
  if (text.size() > kQuotedBytesMax) result += "…";
  return result + "'";
}

bool is_dots(std::string_view component) { return component == "." || component == ".."; }

}  // namespace

std::string printable(std::string_view text) {
  static constexpr char kHex[] = "0123456789abcdef";
  std::string result;
  result.reserve(text.size());
  while (!text.empty()) {
    const CodePoint point = first_code_point(text);
    const std::string_view bytes = text.substr(0, point.bytes == 0 ? 1 : point.bytes);
    text.remove_prefix(bytes.size());
    if (point.bytes != 0 && !is_control(point.value)) {
      result += bytes;
      continue;
    }
    for (const char c : bytes) {
      const auto byte = static_cast<unsigned char>(c);
      result += {'\\', 'x', kHex[byte >> 4], kHex[byte & 15]};
    }
  }
  return result;
}

Status check_ref_name(std::string_view name) {
  const auto refused = [&](std::string_view why) {
    return make_error(ErrorCode::invalid_argument, "name " + quoted(name) + " " + std::string(why));
  };
  if (name.empty()) return refused("is empty");
  if (name.size() > kRefNameBytesMax) return refused("is longer than 255 bytes");
  for (std::string_view rest = name; !rest.empty();) {
    const CodePoint point = first_code_point(rest);
    if (point.bytes == 0) return refused("is not UTF-8");
    if (is_control(point.value)) return refused("holds a control character");
    if (point.value == '@') return refused("holds '@', which separates a name from its version");
    rest.remove_prefix(point.bytes);
  }
  const auto is_edge = [](char c) { return c == ' ' || c == '/'; };
  if (is_edge(name.front())) return refused("begins with a space or '/'");
  if (is_edge(name.back())) return refused("ends with a space or '/'");
  if (any_component(name, is_dots)) return refused("has a component that is '.' or '..'");
  return {};
}

Status check_tree_path(std::string_view path) {
  const auto refused = [&](std::string_view why) {
    return make_error(ErrorCode::invalid_argument, "path " + quoted(path) + " " + std::string(why));
  };
  if (path.empty()) return refused("is empty");
  if (path.find('\0') != std::string_view::npos) return refused("holds a NUL");
  if (path.front() == '/') return refused("is absolute");
  if (any_component(path, [](std::string_view component) { return component.empty(); })) {
    return refused("has an empty component");
  }
  if (any_component(path, is_dots)) return refused("has a component that is '.' or '..'");
  return {};
}

}  // namespace cairn
