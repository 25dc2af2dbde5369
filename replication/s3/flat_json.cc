// SPDX-License-Identifier: Apache-2.0
#include "replication/s3/flat_json.h"

#include <algorithm>
#include <charconv>
#include <optional>

#include "replication/s3/messages.h"

namespace cairn::s3 {
namespace {

constexpr std::size_t kBytesMax = 64 << 10;
constexpr std::size_t kDepthMax = 64;

class Cursor {
 public:
  explicit Cursor(std::string_view text) : text_(text) {}

  std::size_t at() const { return at_; }
  bool at_end() const { return at_ == text_.size(); }
  bool next_is(char c) const { return !at_end() && text_[at_] == c; }
  bool take(char c) {
    if (!next_is(c)) return false;
    ++at_;
    return true;
  }
  void skip_spaces() { at_ = std::min(text_.find_first_not_of(" \t\r\n", at_), text_.size()); }

  // Nothing for what is no text in quotes. Escapes are those of ASCII alone: no credential has others.
  std::optional<Secret> take_text() {
    if (!take('"')) return std::nullopt;
    std::size_t end = at_;
    while (end < text_.size() && text_[end] != '"') end += text_[end] == '\\' ? 2 : 1;
    if (end >= text_.size()) return std::nullopt;
    Secret room = Secret::zeros(end - at_);
    std::size_t size = 0;
    while (at_ < end) {
      const char c = text_[at_++];
      if (static_cast<unsigned char>(c) < 0x20) return std::nullopt;
      const std::optional<char> meant = c == '\\' ? take_escape() : c;
      if (!meant) return std::nullopt;
      room.data()[size++] = *meant;
    }
    ++at_;
    return Secret(room.reveal().substr(0, size));
  }

  // A number, a word, or a nested value with whatever is in it.
  bool skip_other() {
    const std::size_t began = at_;
    std::size_t depth = 0;
    while (!at_end()) {
      const char c = text_[at_];
      if (depth == 0 && at_ > began && (c == ',' || c == '}')) return true;
      if (c == '"') {
        if (depth == 0 || !take_text()) return false;
        continue;
      }
      if ((c == '{' || c == '[') && ++depth > kDepthMax) return false;
      if (c == '}' || c == ']') {
        if (depth-- == 0) return false;
      }
      ++at_;
    }
    return false;
  }

 private:
  std::optional<char> take_escape() {
    constexpr std::string_view kNames = "\"\\/bfnrt", kMeant = "\"\\/\b\f\n\r\t";
    if (at_end()) return std::nullopt;
    const char name = text_[at_++];
    if (const auto index = kNames.find(name); index != std::string_view::npos) return kMeant[index];
    if (name != 'u' || text_.size() - at_ < 4) return std::nullopt;
    unsigned value = 0;
    const char* const digits = text_.data() + at_;
    const auto [end, error] = std::from_chars(digits, digits + 4, value, 16);
    if (error != std::errc() || end != digits + 4 || value > 0x7f) return std::nullopt;
    at_ += 4;
    return static_cast<char>(value);
  }

  std::string_view text_;
  std::size_t at_ = 0;
};

}  // namespace

Result<FlatJson> FlatJson::parse(std::string_view text) {
  if (text.size() > kBytesMax) return make_error(ErrorCode::corruption, "the JSON is longer than 64 KiB");
  Cursor cursor(text);
  const auto broken = [&] {
    return make_error(ErrorCode::corruption, "no JSON object at byte " + std::to_string(cursor.at()));
  };
  FlatJson result;
  cursor.skip_spaces();
  if (!cursor.take('{')) return broken();
  cursor.skip_spaces();
  bool more = !cursor.take('}');
  while (more) {
    cursor.skip_spaces();
    std::optional<Secret> name = cursor.take_text();
    if (!name) return broken();
    cursor.skip_spaces();
    if (!cursor.take(':')) return broken();
    cursor.skip_spaces();
    if (cursor.next_is('"')) {
      std::optional<Secret> value = cursor.take_text();
      if (!value) return broken();
      result.members_.push_back({.name = *std::move(name), .value = *std::move(value)});
    } else if (!cursor.skip_other()) {
      return broken();
    }
    cursor.skip_spaces();
    more = cursor.take(',');
    if (!more && !cursor.take('}')) return broken();
  }
  cursor.skip_spaces();
  if (!cursor.at_end()) return broken();
  return result;
}

const Secret* FlatJson::text(std::string_view name) const {
  const auto last = std::find_if(members_.rbegin(), members_.rend(),
                                 [&](const Member& member) { return member.name.reveal() == name; });
  return last == members_.rend() ? nullptr : &last->value;
}

}  // namespace cairn::s3
