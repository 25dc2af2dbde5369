// SPDX-License-Identifier: Apache-2.0
#include "api/cli/verb_options.h"

#include <CLI/CLI.hpp>

namespace cairn::cli {

void VerbOptions::argument(const char* name, std::string& into, const char* help, Need need) {
  app_->add_option(name, into, help)->required(need == Need::required);
}

void VerbOptions::arguments(const char* name, std::vector<std::string>& into, const char* help, Need need) {
  app_->add_option(name, into, help)->required(need == Need::required);
}

void VerbOptions::option(const char* flag, const char* value, std::string& into, const char* help, Need need) {
  CLI::Option* const option = app_->add_option(flag, into, help)->type_name(value)->required(need == Need::required);
  if (!into.empty()) option->capture_default_str();
}

void VerbOptions::option(const char* flag, const char* value, std::vector<std::string>& into, const char* help) {
  // Otherwise CLI11 lets a list swallow the positionals that follow.
  app_->add_option(flag, into, help)->type_name(value)->allow_extra_args(false);
}

void VerbOptions::option(const char* flag, const char* value, std::optional<std::size_t>& into, const char* help) {
  app_->add_option(flag, into, help)->type_name(value);
}

void VerbOptions::flag(const char* flag, bool& into, const char* help, Need need) {
  app_->add_flag(flag, into, help)->required(need == Need::required);
}

}  // namespace cairn::cli
