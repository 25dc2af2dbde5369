// SPDX-License-Identifier: Apache-2.0
#include "engine/content/canonical_json.h"

#include <algorithm>
#include <array>
#include <charconv>
#include <cmath>
#include <limits>
#include <nlohmann/json.hpp>
#include <optional>
#include <utility>
#include <vector>

#include "engine/base/errors.h"
#include "engine/content/digester.h"

namespace cairn {
namespace {

using Json = nlohmann::json;

constexpr std::size_t kShownBytesMax = 80;

// A part of the text, in a message.
std::string shown(std::string_view text) {
  std::string line(text.substr(0, kShownBytesMax));
  for (char& c : line) {
    if (c < ' ' || c > '~') c = '?';
  }
  return "'" + line + (text.size() > kShownBytesMax ? "…'" : "'");
}

// UTF-8 sorts as UTF-16 does, but that surrogates (of what takes four bytes) lie below U+E000.
unsigned utf16_rank(char c) {
  const unsigned byte = static_cast<unsigned char>(c);
  if (byte >= 0xf0) return byte - 2;
  return byte >= 0xee ? byte + 0x10 : byte;
}

bool comes_before(std::string_view a, std::string_view b) {
  return std::lexicographical_compare(a.begin(), a.end(), b.begin(), b.end(),
                                      [](char x, char y) { return utf16_rank(x) < utf16_rank(y); });
}

void append_string(std::string& out, std::string_view text) {
  static constexpr char kHex[] = "0123456789abcdef";
  out += '"';
  for (const char c : text) {
    switch (c) {
      case '"': out += "\\\""; break;
      case '\\': out += "\\\\"; break;
      case '\b': out += "\\b"; break;
      case '\t': out += "\\t"; break;
      case '\n': out += "\\n"; break;
      case '\f': out += "\\f"; break;
      case '\r': out += "\\r"; break;
      default:
        if (static_cast<unsigned char>(c) >= 0x20) {
          out += c;
        } else {
          out += "\\u00";
          out += kHex[static_cast<unsigned char>(c) >> 4];
          out += kHex[static_cast<unsigned char>(c) & 15];
        }
    }
  }
  out += '"';
}

// Number::toString of ECMA-262: with s the k digits that suffice, the value is s × 10^(n - k).
void append_number(std::string& out, double value) {
  if (value == 0) {
    out += '0';
    return;
  }
  std::array<char, 32> buffer{};
  const auto end =
      std::to_chars(buffer.data(), buffer.data() + buffer.size(), std::abs(value), std::chars_format::scientific).ptr;
  const std::string_view text(buffer.data(), static_cast<std::size_t>(end - buffer.data()));
  const std::size_t mark = text.find('e');
  std::string digits(1, text[0]);
  if (mark > 2) digits.append(text, 2, mark - 2);
  int exponent = 0;
  std::from_chars(buffer.data() + mark + (text[mark + 1] == '+' ? 2 : 1), end, exponent);
  const int k = static_cast<int>(digits.size()), n = exponent + 1;
  if (value < 0) out += '-';
  if (k <= n && n <= 21) {
    out.append(digits).append(static_cast<std::size_t>(n - k), '0');
  } else if (0 < n && n <= 21) {
    out.append(digits, 0, static_cast<std::size_t>(n)).append(1, '.').append(digits, static_cast<std::size_t>(n));
  } else if (-6 < n && n <= 0) {
    out.append("0.").append(static_cast<std::size_t>(-n), '0').append(digits);
  } else {
    out += digits[0];
    if (k > 1) out.append(1, '.').append(digits, 1);
    out.append(n > 0 ? "e+" : "e-").append(std::to_string(std::abs(n - 1)));
  }
}

// What a double is, digit by digit.
std::string whole_text(double value) {
  std::array<char, 320> text{};
  const auto end = std::to_chars(text.data(), text.data() + text.size(), value, std::chars_format::fixed, 0).ptr;
  return {text.data(), end};
}

// Takes the parser's events and writes canonical text. False ends the parse.
class CanonicalWriter {
 public:
  explicit CanonicalWriter(bool exact_integers) : exact_integers_(exact_integers) {}

  bool null() { return word("null"); }
  bool boolean(bool value) { return word(value ? "true" : "false"); }
  bool number_integer(Json::number_integer_t value) {
    return number(static_cast<double>(value), std::to_string(value));
  }
  bool number_unsigned(Json::number_unsigned_t value) {
    return number(static_cast<double>(value), std::to_string(value));
  }
  bool number_float(Json::number_float_t value, const std::string& token) {
    return number(value, token.find_first_not_of("-0123456789") == std::string::npos ? token : std::string());
  }
  bool string(const std::string& text) {
    separate();
    append_string(out_, text);
    return true;
  }
  bool binary(const Json::binary_t&) { return fail("a value is binary"); }

  bool start_object(std::size_t) { return start('{'); }
  bool start_array(std::size_t) { return start('['); }
  bool end_array() {
    out_ += ']';
    open_.pop_back();
    return true;
  }
  bool key(const std::string& name) {
    Container& object = open_.back();
    if (!object.members.empty()) out_ += ',';
    object.members.push_back({.name = name, .begin = out_.size()});
    append_string(out_, name);
    out_ += ':';
    return true;
  }
  bool end_object() {
    Container object = std::move(open_.back());
    open_.pop_back();
    std::vector<Member>& members = object.members;
    for (std::size_t i = 0; i < members.size(); ++i) {
      members[i].end = i + 1 < members.size() ? members[i + 1].begin - 1 : out_.size();
    }
    const auto earlier = [](const Member& a, const Member& b) { return comes_before(a.name, b.name); };
    if (!std::is_sorted(members.begin(), members.end(), earlier)) {
      std::sort(members.begin(), members.end(), earlier);
      rewrite(object);
    }
    const auto twice = std::adjacent_find(members.begin(), members.end(),
                                          [](const Member& a, const Member& b) { return a.name == b.name; });
    if (twice != members.end()) return fail("an object has the member " + shown(twice->name) + " twice");
    out_ += '}';
    return true;
  }

  bool parse_error(std::size_t offset, const std::string& token, const Json::exception& error) {
    if (error.id == kNumberOverflow) return fail("the number " + shown(token) + " is larger than any double");
    return fail("it is no JSON at offset " + std::to_string(offset) + ", near " + shown(token));
  }

  Result<std::string> finish(bool parsed) && {
    if (fault_) return make_error(ErrorCode::invalid_argument, "JSON: " + *fault_);
    if (!parsed) return make_error(ErrorCode::invalid_argument, "JSON: it does not parse");
    return std::move(out_);
  }

 private:
  static constexpr int kNumberOverflow = 406;  // of the parser's errors

  struct Member {
    std::string name;
    std::size_t begin = 0, end = 0;  // of its text in out_
  };
  struct Container {
    bool array = false;
    bool fresh = true;      // an array without an element yet
    std::size_t begin = 0;  // behind its bracket in out_
    std::vector<Member> members;
  };

  bool fail(std::string why) {
    fault_ = std::move(why);
    return false;
  }

  void separate() {
    if (open_.empty() || !open_.back().array) return;
    if (!open_.back().fresh) out_ += ',';
    open_.back().fresh = false;
  }
  bool word(std::string_view text) {
    separate();
    out_ += text;
    return true;
  }
  bool start(char bracket) {
    if (open_.size() == kJsonDepthMax) return fail("it is nested deeper than " + std::to_string(kJsonDepthMax));
    separate();
    out_ += bracket;
    open_.push_back({.array = bracket == '[', .begin = out_.size(), .members = {}});
    return true;
  }
  // `integer`: as it is written; empty when it has a fraction or an exponent.
  bool number(double value, const std::string& integer) {
    separate();
    const std::size_t begin = out_.size();
    append_number(out_, value);
    if (!exact_integers_ || integer.empty() || std::abs(value) < 0x1p53) return true;
    // Canonical text is canonical, though it rounds large integers to the digits that suffice.
    if (out_.compare(begin, std::string::npos, integer) == 0 || whole_text(value) == integer) return true;
    return fail("no double is equal to the integer " + shown(integer) + "; write it as a string");
  }
  void rewrite(const Container& object) {
    std::string sorted;
    sorted.reserve(out_.size() - object.begin);
    for (const Member& member : object.members) {
      if (!sorted.empty()) sorted += ',';
      sorted.append(out_, member.begin, member.end - member.begin);
    }
    out_.replace(object.begin, std::string::npos, sorted);
  }

  const bool exact_integers_;
  std::string out_;
  std::vector<Container> open_;
  std::optional<std::string> fault_;
};

Result<std::string> parse(std::string_view text, bool exact_integers) {
  if (text.size() > kJsonBytesMax) {
    return make_error(ErrorCode::invalid_argument,
                      "JSON: it has more than " + std::to_string(kJsonBytesMax) + " bytes");
  }
  // The parser takes a zero byte for the end, and a byte order mark for nothing.
  if (text.find('\0') != std::string_view::npos || text.starts_with("\xef\xbb\xbf")) {
    return make_error(ErrorCode::invalid_argument, "JSON: it has a zero byte or a byte order mark");
  }
  CanonicalWriter writer(exact_integers);
  const bool parsed = Json::sax_parse(text.begin(), text.end(), &writer);
  return std::move(writer).finish(parsed);
}

}  // namespace

Result<std::string> canonical_json(std::string_view text) { return parse(text, true); }

Result<Digest> canonical_digest(DigestKind kind, std::string_view text) {
  CAIRN_TRY(const std::string canonical, canonical_json(text));
  return digest_of(kind, as_bytes(canonical));
}

Status check_json(std::string_view text) {
  CAIRN_TRY(const std::string canonical, parse(text, false));
  return {};
}

}  // namespace cairn
