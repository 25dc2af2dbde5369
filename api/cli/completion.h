// SPDX-License-Identifier: Apache-2.0
//
// Completion scripts for shells, made from the options that the command really has.
#pragma once

#include <string>
#include <vector>

namespace cairn::cli {

struct CompletedOption {
  std::vector<std::string> flags;  // "--store"; "-q"
  std::string help;
  bool takes_value = false;
  std::string value;  // its placeholder; "DIR" and "FILE…" are completed as paths
};

enum class CompletedArgument : unsigned char { none, path, name };

struct CompletedVerb {
  std::string name, help;
  std::vector<CompletedOption> options;
  CompletedArgument argument = CompletedArgument::none;  // what its positionals are
  std::vector<std::string> choices;                      // or which words they may be
};

// The first is the command itself, with the global options.
std::string bash_completion(const std::vector<CompletedVerb>& verbs);
std::string zsh_completion(const std::vector<CompletedVerb>& verbs);
std::string fish_completion(const std::vector<CompletedVerb>& verbs);

}  // namespace cairn::cli
