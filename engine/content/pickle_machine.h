// SPDX-License-Identifier: Apache-2.0
//
// Runs a pickle symbolically: containers and numbers are what they are, every class and
// function is only its name, and calling one yields a node that remembers function and
// arguments. Nothing is imported, built or executed, whatever the stream says.
// Opcodes: Python's Lib/pickletools.py documents them; protocols 0 to 5.
#pragma once

#include <deque>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "engine/base/bytes.h"
#include "engine/content/tensor_collector.h"

namespace cairn {

// A value on the pickle's stack. Small ones are held in place; the others name a node.
struct PickleValue {
  enum class Kind : std::uint8_t {
    opaque,     // something of no interest: none, a float, bytes, a huge integer
    boolean,    // number: 0 or 1
    integer,    // number: two's complement
    text,       // number: its offset in the pickle; size: its bytes
    global,     // node: its module and name, two texts
    tuple,      // node: its items (sets too)
    list,       // node: its items
    dict,       // node: keys and values by turns
    call,       // node: function, arguments, then pairs of key and value that were set on the
                // result; for a state, or an item of a list, the key is opaque
    persistent  // node: the persistent id
  };
  Kind kind = Kind::opaque;
  std::uint32_t size = 0;
  std::uint64_t number = 0;
};

struct PickleNode {
  std::vector<PickleValue> items;
  bool visited = false;  // for those who walk the values, which may share and cycle
};

class PickleMachine {
 public:
  // `pickle` must outlive the machine. Memory is claimed from `budget`.
  PickleMachine(Bytes pickle, TensorCollector& budget) : text_(as_text(pickle)), budget_(budget) {}

  // Runs to STOP. Nothing when an opcode is unknown, an operand or the stack runs out, or
  // memory does: why() then says so. What was built until then can still be looked at.
  std::optional<PickleValue> run();
  const std::string& why() const noexcept { return why_; }

  std::deque<PickleNode>& nodes() noexcept { return nodes_; }
  bool has_node(const PickleValue& value) const noexcept { return value.kind >= PickleValue::Kind::global; }
  PickleNode& node(const PickleValue& value) noexcept { return nodes_[value.number]; }
  std::string_view text(const PickleValue& value) const noexcept {
    return value.kind == PickleValue::Kind::text ? text_.substr(value.number, value.size) : std::string_view();
  }
  bool is_global(const PickleValue& value, std::string_view module, std::string_view name);
  const std::vector<PickleValue>& persistent_ids() const noexcept { return persistent_ids_; }

 private:
  using Kind = PickleValue::Kind;

  bool step(unsigned char opcode);
  bool fail(std::string why);
  bool charge(std::uint64_t bytes);

  // Operands.
  std::optional<std::uint64_t> read_unsigned(unsigned bytes);
  std::optional<PickleValue> read_text(std::uint64_t bytes);
  std::optional<PickleValue> read_line();
  bool push_integer(unsigned bytes, bool is_signed);
  bool push_long(std::optional<std::uint64_t> bytes);
  bool push_decimal_line();
  bool push_counted(unsigned length_bytes, bool is_text);
  bool skip_line();

  // The stack.
  bool push(PickleValue value);
  bool push(std::optional<PickleValue> value) { return value && push(*value); }
  std::optional<PickleValue> pop();
  std::optional<std::vector<PickleValue>> pop_count(std::size_t count);
  std::optional<std::vector<PickleValue>> pop_to_mark();
  std::optional<PickleValue> make(Kind kind, std::vector<PickleValue> items);
  bool push_made(Kind kind, std::optional<std::vector<PickleValue>> items);
  bool set_items(std::optional<std::vector<PickleValue>> pairs);
  bool append(std::optional<std::vector<PickleValue>> items);
  bool extend(const PickleValue& target, const std::vector<PickleValue>& items);
  std::optional<PickleValue> top() const;
  bool push_persistent(std::optional<PickleValue> id);
  bool push_instance();
  bool store(std::optional<std::uint64_t> index);
  bool load(std::optional<std::uint64_t> index);
  std::optional<std::uint64_t> read_decimal_index();

  std::string_view text_;
  TensorCollector& budget_;
  std::size_t at_ = 0;
  std::vector<PickleValue> stack_;
  std::size_t charged_stack_ = 0;
  std::vector<std::size_t> marks_;  // heights of the stack
  std::vector<std::optional<PickleValue>> memo_;
  std::uint64_t memo_next_ = 0;  // what MEMOIZE stores to
  std::deque<PickleNode> nodes_;
  std::vector<PickleValue> persistent_ids_;
  std::string why_;
};

}  // namespace cairn
