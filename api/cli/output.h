// SPDX-License-Identifier: Apache-2.0
//
// Where everything the command prints goes: data to stdout, the rest to stderr, as text or
// as JSON.
#pragma once

#include <nlohmann/json.hpp>

#include <cstddef>
#include <span>
#include <string>
#include <string_view>

#include "api/cli/format.h"
#include "cairn/result.h"

namespace cairn::cli {

using Json = nlohmann::ordered_json;

inline constexpr int kSchemaVersion = 1;

// One line of JSON. Bytes that are no UTF-8 become U+FFFD: JSON has no way to hold them.
std::string json_text(const Json& value, int indent = -1);

// Used by one thread. A failed write to stdout is remembered until finish().
class Output {
 public:
  struct Options {
    bool json = false, quiet = false, no_color = false;
  };
  explicit Output(const Options& options);

  bool json() const noexcept { return options_.json; }
  bool quiet() const noexcept { return options_.quiet; }
  bool terminal() const noexcept { return terminal_; }  // whether stdout is one

  // The answer of a short verb: one JSON object or array. Objects, and objects in an
  // array, are given the schema version.
  void document(Json value);
  // A line of a long verb.
  void line(std::string_view message_type, const Json& fields);

  void text(std::string_view text) { write(std::as_bytes(std::span(text.data(), text.size()))); }
  void table(const Table& table) { text(table.text(bold_on(), bold_off())); }
  void write(std::span<const std::byte> bytes);
  // A result worth a sentence, for people: left out when quiet.
  void report(std::string_view text) {
    if (!quiet()) this->text(text);
  }

  // A name from the store or the disk: made harmless when a terminal shows it.
  std::string name(std::string_view name) const { return terminal_ ? printable(name) : std::string(name); }
  std::string_view bold_on() const noexcept { return color_ ? "\x1b[1m" : ""; }
  std::string_view bold_off() const noexcept { return color_ ? "\x1b[0m" : ""; }

  // Whether everything reached stdout.
  Status finish();

 private:
  Options options_;
  bool terminal_ = false, color_ = false;
  int write_errno_ = 0;
};

// A line on stderr: "cairn: …", harmless to a terminal.
void print_note(std::string_view text);

// The exit code that stands for an error.
int exit_code_of(const Error& error) noexcept;

// Says why the command ends with a code other than 0: text, or JSON's exit_error.
void print_exit_error(bool json, int code, std::string_view kind, std::string_view message);

inline constexpr int kExitDone = 0;
inline constexpr int kExitFailed = 1;
inline constexpr int kExitUsage = 2;
inline constexpr int kExitPartial = 3;
inline constexpr int kExitDamage = 4;
inline constexpr int kExitNoStore = 10;
inline constexpr int kExitHeld = 11;
inline constexpr int kExitNotFound = 12;
inline constexpr int kExitInterrupted = 130;

}  // namespace cairn::cli
