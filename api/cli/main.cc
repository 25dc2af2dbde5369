// SPDX-License-Identifier: Apache-2.0
//
// The command `cairn`: reads flags and environment, finds the verb, runs it, and ends with
// the code that scripts rely on.
#include <CLI/CLI.hpp>

#include <cstdlib>
#include <exception>
#include <string>
#include <vector>

#include "api/cli/verb.h"
#include "cairn/environment.h"
#include "cairn/version.h"

namespace cairn::cli {
namespace {

// A flag's environment variable: "1", "true", "yes", "on", or the opposite of one.
Result<bool> environment_flag(const char* name) {
  const char* const value = std::getenv(name);
  const std::string text = value == nullptr ? "" : value;
  for (const char* yes : {"1", "true", "yes", "on"}) {
    if (text == yes) return true;
  }
  for (const char* no : {"", "0", "false", "no", "off"}) {
    if (text == no) return false;
  }
  return Error{.code = ErrorCode::invalid_argument,
               .message = std::string(name) + "='" + printable(text) + "' is neither 1 nor 0"};
}

// The flags' values before the command line is read: a flag given there beats these.
Status read_environment(GlobalFlags& flags) {
  flags.store = store_path_from_environment();
  CAIRN_TRY(flags.json, environment_flag("CAIRN_JSON"));
  CAIRN_TRY(flags.quiet, environment_flag("CAIRN_QUIET"));
  CAIRN_TRY(flags.no_color, environment_flag("CAIRN_NO_COLOR"));
  CAIRN_TRY(flags.yes, environment_flag("CAIRN_YES"));
  return {};
}

void declare_global_flags(CLI::App& app, GlobalFlags& flags) {
  app.add_option("--store", flags.store, "The store's folder (CAIRN_STORE)")->type_name("DIR");
  app.add_flag("--json", flags.json, "Answer in JSON (CAIRN_JSON=1)");
  app.add_flag("--quiet,-q", flags.quiet, "No progress, hints or summaries for people (CAIRN_QUIET=1)");
  app.add_flag("--no-color", flags.no_color, "No colours on a terminal (CAIRN_NO_COLOR=1, NO_COLOR)");
  app.add_flag("--yes", flags.yes, "Agree to what would be asked: verbs that remove need it (CAIRN_YES=1)");
}

int fail(bool json, const Error& error) {
  const int code = exit_code_of(error);
  print_exit_error(json, code, error_code_name(error.code), error.message);
  return code;
}

int run_verb(const Verb& verb, const Run& run, const GlobalFlags& flags) {
  Session session(flags, verb.lines);
  const Result<int> code = run(session);
  session.clear_progress();
  const Status written = session.out().finish();
  if (!code.ok()) return fail(flags.json, code.error());
  if (!written.ok()) return fail(flags.json, written.error());
  if (*code == kExitPartial) {
    print_exit_error(flags.json, *code, "partial", "done in part: what could not be read is named above");
  } else if (*code == kExitDamage) {
    print_exit_error(flags.json, *code, "corruption", "damage found");
  }
  return *code;
}

// CLI11 takes "[a,b]" apart into several values, but a file may well be called that. So such
// an argument carries a mark past its parser, which every option takes off again.
constexpr char kBracketMark = '\x01';

std::string marked(std::string argument) {
  const bool taken_apart = argument.starts_with('[') && (argument.ends_with(']') || argument.ends_with(kBracketMark));
  return taken_apart ? argument + kBracketMark : argument;
}

std::string unmarked(std::string argument) {
  if (argument.starts_with('[') && argument.ends_with(kBracketMark)) argument.pop_back();
  return argument;
}

void parse(CLI::App& app, int argc, char** argv) {
  std::vector<std::string> arguments;
  for (int at = argc - 1; at > 0; --at) arguments.push_back(marked(argv[at]));  // CLI11 wants the last one first
  app.parse(std::move(arguments));
}

int run_command(int argc, char** argv) {
  GlobalFlags flags;
  if (Status status = read_environment(flags); !status.ok()) return fail(flags.json, status.error());

  CLI::App app(
      "Archives model files, deduplicated and compressed as the tensors they hold, and\n"
      "restores them bit for bit.",
      "cairn");
  app.set_version_flag("--version", std::string("cairn ") + CAIRN_VERSION);
  app.require_subcommand(1);
  app.get_formatter()->column_width(34);
  app.footer(
      "Exit codes: 0 done, 1 failed, 2 wrong usage, 3 done in part, 4 damage found,\n"
      "10 no store there, 11 held by another writer, 12 no such name or object,\n"
      "130 interrupted. 'cairn VERB --help' has examples.");
  declare_global_flags(app, flags);

  for (CLI::Option* option : app.get_options()) option->transform(unmarked, "");

  const Verb* chosen = nullptr;
  Run run;
  for (const Verb* verb : all_verbs()) {
    CLI::App* const sub = app.add_subcommand(verb->name, verb->summary);
    sub->fallthrough();  // global flags may follow the verb
    sub->footer(std::string("Examples:\n") + verb->examples + "\nGlobal flags and exit codes: 'cairn --help'.");
    VerbOptions options(*sub);
    sub->callback([&chosen, &run, verb, work = verb->declare(options)] {
      chosen = verb;
      run = work;
    });
    for (CLI::Option* option : sub->get_options()) option->transform(unmarked, "");
  }
  try {
    parse(app, argc, argv);
  } catch (const CLI::ParseError& error) {
    if (error.get_exit_code() == static_cast<int>(CLI::ExitCodes::Success)) return app.exit(error);  // help, version
    // The flag may stand behind what could not be parsed.
    for (int at = 1; at < argc; ++at) flags.json = flags.json || std::string_view(argv[at]) == "--json";
    const auto verbs = app.get_subcommands();
    const auto unknown = app.remaining();
    const std::string what =
        verbs.empty() && !unknown.empty() ? "no verb '" + printable(unknown.front()) + "'" : error.what();
    const std::string help = verbs.empty() ? "cairn --help" : "cairn " + verbs.front()->get_name() + " --help";
    print_exit_error(flags.json, kExitUsage, error_code_name(ErrorCode::invalid_argument),
                     what + "; see '" + help + "'");
    return kExitUsage;
  }
  return run_verb(*chosen, run, flags);
}

}  // namespace
}  // namespace cairn::cli

int main(int argc, char** argv) {
  // Only what leaves no way on throws here: memory that is used up.
  try {
    return cairn::cli::run_command(argc, argv);
  } catch (const std::exception& error) {
    cairn::cli::print_note(error.what());
    return cairn::cli::kExitFailed;
  }
}
