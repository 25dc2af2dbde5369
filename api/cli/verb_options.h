// SPDX-License-Identifier: Apache-2.0
//
// How a verb declares its command line. CLI11 stays behind it, in verb_options.cc, main.cc and
// verb_completion.cc: its header takes a compiler longer than all the verbs together.
#pragma once

#include <cstddef>
#include <optional>
#include <string>
#include <vector>

namespace CLI {
class App;
}

namespace cairn::cli {

enum class Need : unsigned char { optional, required };

// What is declared is filled in when the command line is parsed, so it outlives the parsing.
// A text that is not empty beforehand is the default, and the help shows it.
class VerbOptions {
 public:
  explicit VerbOptions(CLI::App& app) : app_(&app) {}

  // Positionals, in this order; only the last may be a list.
  void argument(const char* name, std::string& into, const char* help, Need need = Need::required);
  void arguments(const char* name, std::vector<std::string>& into, const char* help, Need need = Need::required);

  // "--flag VALUE"; a list takes one value each time it is given.
  void option(const char* flag, const char* value, std::string& into, const char* help, Need need = Need::optional);
  void option(const char* flag, const char* value, std::vector<std::string>& into, const char* help);
  void option(const char* flag, const char* value, std::optional<std::size_t>& into, const char* help);
  void flag(const char* flag, bool& into, const char* help, Need need = Need::optional);

  CLI::App& app() noexcept { return *app_; }

 private:
  CLI::App* app_;
};

}  // namespace cairn::cli
