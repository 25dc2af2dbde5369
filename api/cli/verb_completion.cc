// SPDX-License-Identifier: Apache-2.0
//
// cairn completion: a completion script for a shell.
#include <CLI/CLI.hpp>

#include <memory>

#include "api/cli/completion.h"
#include "api/cli/verb.h"

namespace cairn::cli {
namespace {

CompletedVerb describe(const CLI::App& app) {
  CompletedVerb verb{.name = app.get_name(), .help = app.get_description()};
  for (const CLI::Option* option : app.get_options()) {
    if (option->get_positional()) {
      const std::string name = option->get_name(true);
      if (name == "PATH" && verb.argument == CompletedArgument::none) verb.argument = CompletedArgument::path;
      if (name == "DIR") verb.argument = CompletedArgument::path;
      if (name.starts_with("NAME") || name == "A") verb.argument = CompletedArgument::name;
      if (name == "SHELL") verb.choices = {"bash", "zsh", "fish"};
      // "list|get|rm": words as they are; "NAME|ID" says what to fill in.
      if (name.find('|') != std::string::npos && name.front() >= 'a') verb.choices = CLI::detail::split(name, '|');
      continue;
    }
    CompletedOption completed{.flags = {},
                              .help = option->get_description(),
                              .takes_value = option->get_items_expected_max() > 0,
                              .value = option->get_type_name()};
    for (const std::string& name : option->get_lnames()) completed.flags.push_back("--" + name);
    for (const std::string& name : option->get_snames()) completed.flags.push_back("-" + name);
    verb.options.push_back(std::move(completed));
  }
  return verb;
}

Result<int> run_completion(Session& session, const CLI::App& root, const std::string& shell) {
  if (shell != "bash" && shell != "zsh" && shell != "fish") {
    return Error{.code = ErrorCode::invalid_argument, .message = "SHELL is bash, zsh or fish"};
  }
  std::vector<CompletedVerb> verbs = {describe(root)};
  for (const CLI::App* verb : root.get_subcommands([](const CLI::App*) { return true; }))
    verbs.push_back(describe(*verb));
  session.out().text(shell == "bash"  ? bash_completion(verbs)
                     : shell == "zsh" ? zsh_completion(verbs)
                                      : fish_completion(verbs));
  return kExitDone;
}

Run declare_completion(VerbOptions& options) {
  const auto shell = std::make_shared<std::string>();
  options.argument("SHELL", *shell, "bash, zsh or fish");
  const CLI::App* const root = options.app().get_parent();
  return [shell, root](Session& session) { return run_completion(session, *root, *shell); };
}

}  // namespace

constinit const Verb kCompletion{.name = "completion",
                                 .summary = "Print a completion script for bash, zsh or fish",
                                 .examples =
                                     "  source <(cairn completion bash)\n"
                                     "  cairn completion fish > ~/.config/fish/completions/cairn.fish\n",
                                 .lines = false,
                                 .declare = declare_completion};

}  // namespace cairn::cli
