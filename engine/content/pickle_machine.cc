// SPDX-License-Identifier: Apache-2.0
#include "engine/content/pickle_machine.h"

#include <algorithm>
#include <charconv>

namespace cairn {

std::optional<PickleValue> PickleMachine::run() {
  while (true) {
    const auto opcode = read_unsigned(1);
    if (!opcode) return std::nullopt;
    if (*opcode == '.') return pop();
    if (!step(static_cast<unsigned char>(*opcode))) {
      fail("its pickle cannot be followed at byte " + std::to_string(at_));
      return std::nullopt;
    }
  }
}

bool PickleMachine::is_global(const PickleValue& value, std::string_view module, std::string_view name) {
  if (value.kind != Kind::global) return false;
  const PickleNode& global = node(value);
  return text(global.items[0]) == module && text(global.items[1]) == name;
}

// The first reason stays.
bool PickleMachine::fail(std::string why) {
  if (why_.empty()) why_ = std::move(why);
  return false;
}

bool PickleMachine::charge(std::uint64_t bytes) {
  return budget_.charge(bytes) || fail(TensorCollector::over_budget().broken);
}

bool PickleMachine::step(unsigned char opcode) {
  const PickleValue opaque;
  switch (opcode) {
    // Numbers and constants.
    case 'N': return push(opaque);
    case 'I': return push_decimal_line();
    case 'L': return push_decimal_line();
    case 'F': return skip_line() && push(opaque);
    case 'J': return push_integer(4, true);
    case 'K': return push_integer(1, false);
    case 'M': return push_integer(2, false);
    case 0x8a: return push_long(read_unsigned(1));
    case 0x8b: return push_long(read_unsigned(4));
    case 'G': return read_unsigned(8) && push(opaque);
    case 0x88: return push(PickleValue{Kind::boolean, 0, 1});
    case 0x89: return push(PickleValue{Kind::boolean, 0, 0});

    // Text and bytes. Python 2 wrote keys as byte strings, so those of protocol 0 to 2 count.
    case 'S': return skip_line() && push(opaque);
    case 'V': return push(read_line());
    case 'T': return push_counted(4, true);
    case 'U': return push_counted(1, true);
    case 'X': return push_counted(4, true);
    case 0x8c: return push_counted(1, true);
    case 0x8d: return push_counted(8, true);
    case 'B': return push_counted(4, false);
    case 'C': return push_counted(1, false);
    case 0x8e: return push_counted(8, false);
    case 0x96: return push_counted(8, false);
    case 0x97: return push(opaque);  // a buffer kept elsewhere
    case 0x98:
      return true;  // makes that buffer read-only

    // Containers.
    case ')': return push_made(Kind::tuple, std::vector<PickleValue>());
    case 't': return push_made(Kind::tuple, pop_to_mark());
    case 0x85: return push_made(Kind::tuple, pop_count(1));
    case 0x86: return push_made(Kind::tuple, pop_count(2));
    case 0x87: return push_made(Kind::tuple, pop_count(3));
    case ']': return push_made(Kind::list, std::vector<PickleValue>());
    case 'l': return push_made(Kind::list, pop_to_mark());
    case '}': return push_made(Kind::dict, std::vector<PickleValue>());
    case 'd': return push_made(Kind::dict, pop_to_mark());
    case 0x8f: return push_made(Kind::tuple, std::vector<PickleValue>());
    case 0x91: return push_made(Kind::tuple, pop_to_mark());
    case 'a': return append(pop_count(1));
    case 'e': return append(pop_to_mark());
    case 0x90: return append(pop_to_mark());
    case 's': return set_items(pop_count(2));
    case 'u': return set_items(pop_to_mark());

    // The stack and the memo.
    case '(':
      if (!charge(3 * sizeof(std::size_t))) return false;
      marks_.push_back(stack_.size());
      return true;
    case '0': return pop().has_value();
    case '1': return pop_to_mark().has_value();
    case '2': return push(top());
    case 'p': return store(read_decimal_index());
    case 'q': return store(read_unsigned(1));
    case 'r': return store(read_unsigned(4));
    case 0x94: return store(memo_next_);
    case 'g': return load(read_decimal_index());
    case 'h': return load(read_unsigned(1));
    case 'j': return load(read_unsigned(4));

    // Classes, functions and what they would make.
    case 'c': {
      const auto module = read_line();
      const auto name = read_line();
      return module && name && push_made(Kind::global, std::vector<PickleValue>{*module, *name});
    }
    case 0x93: return push_made(Kind::global, pop_count(2));
    case 'R': return push_made(Kind::call, pop_count(2));
    case 0x81: return push_made(Kind::call, pop_count(2));
    case 0x92: return push_made(Kind::call, pop_count(3));
    case 'b': return append(pop_count(1));
    case 'o': return push_made(Kind::call, pop_to_mark());
    case 'i': return push_instance();
    case 'P': return push_persistent(read_line());
    case 'Q': return push_persistent(pop());
    case 0x82: return read_unsigned(1) && push(opaque);
    case 0x83: return read_unsigned(2) && push(opaque);
    case 0x84: return read_unsigned(4) && push(opaque);

    // Framing.
    case 0x80: return read_unsigned(1).has_value();
    case 0x95: return read_unsigned(8).has_value();
    default: return false;
  }
}

std::optional<std::uint64_t> PickleMachine::read_unsigned(unsigned bytes) {
  if (bytes > text_.size() - at_) {
    fail("its pickle is cut off");
    return std::nullopt;
  }
  std::uint64_t value = 0;
  for (unsigned i = 0; i < bytes; ++i) {
    value |= std::uint64_t{static_cast<unsigned char>(text_[at_ + i])} << (8 * i);
  }
  at_ += bytes;
  return value;
}

std::optional<PickleValue> PickleMachine::read_text(std::uint64_t bytes) {
  if (bytes > text_.size() - at_) {
    fail("its pickle is cut off");
    return std::nullopt;
  }
  const PickleValue value{Kind::text, static_cast<std::uint32_t>(bytes), at_};
  at_ += bytes;
  // No name is as long as that.
  return bytes > UINT32_MAX ? PickleValue() : value;
}

std::optional<PickleValue> PickleMachine::read_line() {
  const std::size_t end = text_.find('\n', at_);
  if (end == std::string_view::npos) {
    fail("its pickle is cut off");
    return std::nullopt;
  }
  auto value = read_text(end - at_);
  ++at_;
  return value;
}

bool PickleMachine::skip_line() { return read_line().has_value(); }

bool PickleMachine::push_integer(unsigned bytes, bool is_signed) {
  const auto value = read_unsigned(bytes);
  if (!value) return false;
  std::uint64_t number = *value;
  if (is_signed && bytes < 8 && (number >> (8 * bytes - 1)) != 0) number |= ~std::uint64_t{0} << (8 * bytes);
  return push(PickleValue{Kind::integer, 0, number});
}

// An integer of any size in two's complement; those above 64 bits are of no interest.
bool PickleMachine::push_long(std::optional<std::uint64_t> bytes) {
  if (!bytes) return false;
  if (*bytes == 0) return push(PickleValue{Kind::integer, 0, 0});
  if (*bytes <= 8) return push_integer(static_cast<unsigned>(*bytes), true);
  return read_text(*bytes) && push(PickleValue());
}

// The integers of protocol 0, where 00 and 01 are booleans, and longs end in L.
bool PickleMachine::push_decimal_line() {
  const auto line = read_line();
  if (!line) return false;
  std::string_view digits = text(*line);
  if (digits == "00" || digits == "01") return push(PickleValue{Kind::boolean, 0, digits == "01" ? 1u : 0u});
  if (digits.ends_with('L')) digits.remove_suffix(1);
  std::int64_t value = 0;
  const auto [end, error] = std::from_chars(digits.data(), digits.data() + digits.size(), value);
  if (error == std::errc::result_out_of_range) return push(PickleValue());
  if (error != std::errc() || end != digits.data() + digits.size()) return false;
  return push(PickleValue{Kind::integer, 0, static_cast<std::uint64_t>(value)});
}

bool PickleMachine::push_counted(unsigned length_bytes, bool is_text) {
  const auto bytes = read_unsigned(length_bytes);
  if (!bytes) return false;
  const auto value = read_text(*bytes);
  return value && push(is_text ? *value : PickleValue());
}

bool PickleMachine::push(PickleValue value) {
  if (stack_.size() == charged_stack_) {
    if (!charge(3 * sizeof(PickleValue))) return false;
    ++charged_stack_;
  }
  stack_.push_back(value);
  return true;
}

// What lies under a mark is out of reach until the mark is gone.
std::optional<PickleValue> PickleMachine::pop() {
  if (stack_.empty()) return std::nullopt;
  if (!marks_.empty() && marks_.back() == stack_.size()) {
    // Python's POP takes a mark away too, and gives nothing.
    marks_.pop_back();
    return PickleValue();
  }
  const PickleValue value = stack_.back();
  stack_.pop_back();
  return value;
}

std::optional<std::vector<PickleValue>> PickleMachine::pop_count(std::size_t count) {
  const std::size_t floor = marks_.empty() ? 0 : marks_.back();
  if (stack_.size() - floor < count) return std::nullopt;
  const auto first = stack_.end() - static_cast<std::ptrdiff_t>(count);
  std::vector<PickleValue> items(first, stack_.end());
  stack_.erase(first, stack_.end());
  return items;
}

std::optional<std::vector<PickleValue>> PickleMachine::pop_to_mark() {
  if (marks_.empty()) return std::nullopt;
  const std::size_t count = stack_.size() - marks_.back();
  auto items = pop_count(count);
  marks_.pop_back();
  return items;
}

std::optional<PickleValue> PickleMachine::make(Kind kind, std::vector<PickleValue> items) {
  constexpr std::uint64_t kOverhead = sizeof(PickleNode) + 32;
  if (!charge(kOverhead + items.size() * sizeof(PickleValue))) return std::nullopt;
  nodes_.push_back({.items = std::move(items), .visited = false});
  return PickleValue{kind, 0, nodes_.size() - 1};
}

bool PickleMachine::push_made(Kind kind, std::optional<std::vector<PickleValue>> items) {
  return items && push(make(kind, std::move(*items)));
}

std::optional<PickleValue> PickleMachine::top() const {
  const std::size_t floor = marks_.empty() ? 0 : marks_.back();
  if (stack_.size() <= floor) return std::nullopt;
  return stack_.back();
}

bool PickleMachine::extend(const PickleValue& target, const std::vector<PickleValue>& items) {
  if (!charge(3 * items.size() * sizeof(PickleValue))) return false;
  auto& into = node(target).items;
  into.insert(into.end(), items.begin(), items.end());
  return true;
}

// SETITEM and SETITEMS. On anything but a dict or an object they mean nothing to us.
bool PickleMachine::set_items(std::optional<std::vector<PickleValue>> pairs) {
  const auto target = top();
  if (!pairs || !target || pairs->size() % 2 != 0) return false;
  if (target->kind != Kind::dict && target->kind != Kind::call) return true;
  return extend(*target, *pairs);
}

// APPEND, APPENDS, ADDITEMS, and BUILD, which sets an object's state.
bool PickleMachine::append(std::optional<std::vector<PickleValue>> items) {
  const auto target = top();
  if (!items || !target) return false;
  if (target->kind == Kind::list || target->kind == Kind::tuple) return extend(*target, *items);
  if (target->kind != Kind::call) return true;
  std::vector<PickleValue> pairs;
  for (const PickleValue& item : *items) pairs.insert(pairs.end(), {PickleValue(), item});
  return extend(*target, pairs);
}

bool PickleMachine::push_persistent(std::optional<PickleValue> id) {
  if (!id) return false;
  const auto value = make(Kind::persistent, {*id});
  if (!value || !charge(3 * sizeof(PickleValue))) return false;
  persistent_ids_.push_back(*id);
  return push(*value);
}

bool PickleMachine::push_instance() {
  const auto module = read_line();
  const auto name = read_line();
  return module && name && pop_to_mark() && push(PickleValue());
}

std::optional<std::uint64_t> PickleMachine::read_decimal_index() {
  const auto line = read_line();
  if (!line) return std::nullopt;
  const std::string_view digits = text(*line);
  std::uint64_t value = 0;
  const auto [end, error] = std::from_chars(digits.data(), digits.data() + digits.size(), value);
  if (error != std::errc() || end != digits.data() + digits.size()) return std::nullopt;
  return value;
}

// Picklers number the memo from 0 without gaps, so no index exceeds the stream's length.
bool PickleMachine::store(std::optional<std::uint64_t> index) {
  const auto value = top();
  if (!index || *index >= text_.size() || !value) return false;
  if (*index >= memo_.size()) {
    if (!charge(3 * (*index + 1 - memo_.size()) * sizeof(std::optional<PickleValue>))) return false;
    memo_.resize(*index + 1);
  }
  if (!memo_[*index]) ++memo_next_;
  memo_[*index] = *value;
  return true;
}

bool PickleMachine::load(std::optional<std::uint64_t> index) {
  return index && *index < memo_.size() && memo_[*index] && push(*memo_[*index]);
}

}  // namespace cairn
