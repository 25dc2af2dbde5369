// SPDX-License-Identifier: Apache-2.0
#include "engine/content/json_reader.h"

#include <charconv>

namespace cairn {
namespace {

bool is_digit(char c) noexcept { return c >= '0' && c <= '9'; }

void append_utf8(std::string& out, std::uint32_t point) {
  if (point < 0x80) {
    out += static_cast<char>(point);
  } else if (point < 0x800) {
    out += static_cast<char>(0xc0 | (point >> 6));
    out += static_cast<char>(0x80 | (point & 0x3f));
  } else if (point < 0x10000) {
    out += static_cast<char>(0xe0 | (point >> 12));
    out += static_cast<char>(0x80 | ((point >> 6) & 0x3f));
    out += static_cast<char>(0x80 | (point & 0x3f));
  } else {
    out += static_cast<char>(0xf0 | (point >> 18));
    out += static_cast<char>(0x80 | ((point >> 12) & 0x3f));
    out += static_cast<char>(0x80 | ((point >> 6) & 0x3f));
    out += static_cast<char>(0x80 | (point & 0x3f));
  }
}

}  // namespace

void JsonReader::skip_space() noexcept {
  while (at_ < text_.size()) {
    const char c = text_[at_];
    if (c != ' ' && c != '\t' && c != '\n' && c != '\r') break;
    ++at_;
  }
}

char JsonReader::peek() noexcept {
  if (failed_) return '\0';
  skip_space();
  return at_ < text_.size() ? text_[at_] : '\0';
}

bool JsonReader::take(char expected) noexcept {
  if (peek() != expected || at_ >= text_.size()) return false;
  ++at_;
  return true;
}

bool JsonReader::take_word(std::string_view word) noexcept {
  if (text_.substr(at_, word.size()) != word) return false;
  at_ += word.size();
  return true;
}

bool JsonReader::enter(char open) {
  if (peek() != open) {
    skip();
    return false;
  }
  if (depth_ == kDepthMax) {
    fail();
    return false;
  }
  ++at_;
  fresh_[depth_++] = true;
  return true;
}

bool JsonReader::enter_object() { return enter('{'); }
bool JsonReader::enter_array() { return enter('['); }

bool JsonReader::next(char close) {
  if (failed_ || depth_ == 0) return false;
  bool& fresh = fresh_[depth_ - 1];
  if (take(close)) {
    --depth_;
    return false;
  }
  if (!fresh && !take(',')) fail();
  fresh = false;
  return !failed_;
}

std::optional<std::string> JsonReader::next_key() {
  if (!next('}')) return std::nullopt;
  std::string key;
  if (peek() != '"' || !read_string(&key) || !take(':')) {
    fail();
    return std::nullopt;
  }
  return key;
}

bool JsonReader::next_element() { return next(']'); }

std::optional<std::string> JsonReader::string() {
  if (peek() != '"') {
    skip();
    return std::nullopt;
  }
  std::string text;
  if (!read_string(&text)) return std::nullopt;
  return text;
}

std::optional<std::uint64_t> JsonReader::unsigned_integer() {
  const char c = peek();
  if (c != '-' && !is_digit(c)) {
    skip();
    return std::nullopt;
  }
  return read_number();
}

void JsonReader::skip() {
  switch (peek()) {
    case '{':
      if (!enter_object()) return;
      while (true) {
        // Keys are checked and dropped, not kept.
        if (!next('}')) return;
        if (peek() != '"' || !read_string(nullptr) || !take(':')) return fail();
        skip();
      }
    case '[':
      if (!enter_array()) return;
      while (next_element()) skip();
      return;
    case '"': read_string(nullptr); return;
    case 't':
      if (!take_word("true")) fail();
      return;
    case 'f':
      if (!take_word("false")) fail();
      return;
    case 'n':
      if (!take_word("null")) fail();
      return;
    default: read_number(); return;
  }
}

// With a null `into`, the string is only checked.
bool JsonReader::read_string(std::string* into) {
  ++at_;
  while (at_ < text_.size()) {
    const char c = text_[at_];
    if (c == '"') {
      ++at_;
      return true;
    }
    if (static_cast<unsigned char>(c) < 0x20 || (into != nullptr && into->size() >= kStringMax)) break;
    ++at_;
    if (c == '\\') {
      if (!read_escape(into)) break;
    } else if (into != nullptr) {
      *into += c;
    }
  }
  fail();
  return false;
}

bool JsonReader::read_escape(std::string* into) {
  if (at_ >= text_.size()) return false;
  char plain = '\0';
  switch (text_[at_++]) {
    case '"': plain = '"'; break;
    case '\\': plain = '\\'; break;
    case '/': plain = '/'; break;
    case 'b': plain = '\b'; break;
    case 'f': plain = '\f'; break;
    case 'n': plain = '\n'; break;
    case 'r': plain = '\r'; break;
    case 't': plain = '\t'; break;
    case 'u': {
      const auto unit = read_hex4();
      if (!unit) return false;
      std::uint32_t point = *unit;
      if (point >= 0xdc00 && point < 0xe000) return false;
      if (point >= 0xd800 && point < 0xdc00) {
        // Half of a pair: the other half must follow.
        if (!take_word("\\u")) return false;
        const auto low = read_hex4();
        if (!low || *low < 0xdc00 || *low >= 0xe000) return false;
        point = 0x10000 + ((point - 0xd800) << 10) + (*low - 0xdc00);
      }
      if (into != nullptr) append_utf8(*into, point);
      return true;
    }
    default: return false;
  }
  if (into != nullptr) *into += plain;
  return true;
}

std::optional<std::uint32_t> JsonReader::read_hex4() noexcept {
  if (text_.size() - at_ < 4) return std::nullopt;
  std::uint32_t value = 0;
  const char* begin = text_.data() + at_;
  const auto [end, error] = std::from_chars(begin, begin + 4, value, 16);
  if (error != std::errc() || end != begin + 4) return std::nullopt;
  at_ += 4;
  return value;
}

bool JsonReader::read_digits() noexcept {
  const std::size_t begin = at_;
  while (at_ < text_.size() && is_digit(text_[at_])) ++at_;
  return at_ != begin;
}

std::optional<std::uint64_t> JsonReader::read_number() {
  if (failed_) return std::nullopt;
  const std::size_t begin = at_;
  const auto here = [&](char c) { return at_ < text_.size() && text_[at_] == c; };
  bool whole = true;
  if (here('-')) {
    whole = false;
    ++at_;
  }
  const bool leading_zero = here('0');
  const std::size_t digits = at_;
  if (!read_digits() || (leading_zero && at_ - digits > 1)) {
    fail();
    return std::nullopt;
  }
  if (here('.')) {
    whole = false;
    ++at_;
    if (!read_digits()) fail();
  }
  if (here('e') || here('E')) {
    whole = false;
    ++at_;
    if (here('+') || here('-')) ++at_;
    if (!read_digits()) fail();
  }
  if (failed_ || !whole) return std::nullopt;
  std::uint64_t value = 0;
  const auto [end, error] = std::from_chars(text_.data() + begin, text_.data() + at_, value);
  if (error != std::errc()) return std::nullopt;
  return value;
}

}  // namespace cairn
