// SPDX-License-Identifier: Apache-2.0
#include "api/cli/completion.h"

#include <fmt/format.h>

#include <string_view>

namespace cairn::cli {
namespace {

std::string replaced(std::string text, char what, std::string_view by) {
  for (std::size_t at = text.find(what); at != std::string::npos; at = text.find(what, at + by.size())) {
    text.replace(at, 1, by);
  }
  return text;
}

// In single quotes, for bash and zsh; fish escapes otherwise.
std::string quoted(const std::string& text) { return "'" + replaced(text, '\'', "'\\''") + "'"; }
std::string fish_quoted(const std::string& text) {
  return "'" + replaced(replaced(text, '\\', "\\\\"), '\'', "\\'") + "'";
}
// What _arguments takes apart itself.
std::string zsh_text(std::string text) {
  for (const auto& [what, by] : {std::pair{'\\', "\\\\"}, {'[', "\\["}, {']', "\\]"}, {':', "\\:"}}) {
    text = replaced(std::move(text), what, by);
  }
  return text;
}

bool is_path(const CompletedOption& option) { return option.value == "DIR" || option.value.starts_with("FILE"); }

std::string flag_words(const CompletedVerb& verb) {
  std::string words;
  for (const CompletedOption& option : verb.options) {
    for (const std::string& flag : option.flags) words += (words.empty() ? "" : " ") + flag;
  }
  return words;
}

// The flags that take a value, as a pattern of bash's case.
std::string value_flags(const std::vector<CompletedVerb>& verbs, bool paths) {
  std::string pattern;
  for (const CompletedVerb& verb : verbs) {
    for (const CompletedOption& option : verb.options) {
      if (!option.takes_value || is_path(option) != paths) continue;
      for (const std::string& flag : option.flags) pattern += (pattern.empty() ? "" : "|") + flag;
    }
  }
  return pattern;
}

// Names come from the store that CAIRN_STORE tells.
constexpr const char* kNamesCommand = "command cairn --quiet ls 2>/dev/null | awk 'NR > 1 {print $1}' | sort -u";

}  // namespace

std::string bash_completion(const std::vector<CompletedVerb>& verbs) {
  std::string names, cases;
  for (std::size_t at = 1; at < verbs.size(); ++at) {
    const CompletedVerb& verb = verbs[at];
    names += (at == 1 ? "" : " ") + verb.name;
    std::string argument = "COMPREPLY=()";
    if (!verb.choices.empty())
      argument = fmt::format("COMPREPLY=($(compgen -W '{}' -- \"$cur\"))", fmt::join(verb.choices, " "));
    if (verb.argument == CompletedArgument::path)
      argument = "compopt -o filenames; COMPREPLY=($(compgen -f -- \"$cur\"))";
    if (verb.argument == CompletedArgument::name)
      argument = "COMPREPLY=($(compgen -W \"$(_cairn_names)\" -- \"$cur\"))";
    cases += fmt::format("    {}) flags='{}'; [[ $cur == -* ]] || {{ {}; return; }} ;;\n", verb.name, flag_words(verb),
                         argument);
  }
  return fmt::format(R"sh(# bash completion of cairn; load it with: source <(cairn completion bash)
_cairn_names() {{ {}; }}
_cairn() {{
  local cur=${{COMP_WORDS[COMP_CWORD]}} prev=${{COMP_WORDS[COMP_CWORD-1]}} verb= flags= at
  case $prev in
    {}) compopt -o filenames; COMPREPLY=($(compgen -f -- "$cur")); return ;;
    {}) COMPREPLY=(); return ;;
  esac
  for ((at = 1; at < COMP_CWORD; ++at)); do
    case ${{COMP_WORDS[at]}} in
      --store) ((++at)) ;;
      -*) ;;
      *) verb=${{COMP_WORDS[at]}}; break ;;
    esac
  done
  case $verb in
    '') flags='{}'; [[ $cur == -* ]] || {{ COMPREPLY=($(compgen -W '{}' -- "$cur")); return; }} ;;
{}  esac
  COMPREPLY=($(compgen -W "$flags {}" -- "$cur"))
}}
complete -F _cairn cairn
)sh",
                     kNamesCommand, value_flags(verbs, true), value_flags(verbs, false), flag_words(verbs[0]), names,
                     cases, flag_words(verbs[0]));
}

std::string zsh_completion(const std::vector<CompletedVerb>& verbs) {
  const auto specs = [](const CompletedVerb& verb) {
    std::string text;
    for (const CompletedOption& option : verb.options) {
      for (const std::string& flag : option.flags) {
        std::string spec = flag + (option.takes_value ? "=" : "") + "[" + zsh_text(option.help) + "]";
        if (option.takes_value) spec += ":" + zsh_text(option.value) + ":" + (is_path(option) ? "_files" : "");
        // Any option may be repeated: whether that makes sense is the command's to say.
        text += " \\\n        " + quoted("*" + spec);
      }
    }
    return text;
  };
  std::string descriptions, cases;
  for (std::size_t at = 1; at < verbs.size(); ++at) {
    const CompletedVerb& verb = verbs[at];
    descriptions += "    " + quoted(verb.name + ":" + zsh_text(verb.help)) + "\n";
    std::string argument = "'*: :'";
    if (!verb.choices.empty()) argument = quoted(fmt::format("*: :({})", fmt::join(verb.choices, " ")));
    if (verb.argument == CompletedArgument::path) argument = "'*: :_files'";
    if (verb.argument == CompletedArgument::name) argument = "'*: :_cairn_names'";
    cases +=
        fmt::format("      {}) _arguments{}{} \\\n        {} ;;\n", verb.name, specs(verb), specs(verbs[0]), argument);
  }
  return fmt::format(R"sh(#compdef cairn
# zsh completion of cairn; put it in a file _cairn in a folder of $fpath.
_cairn_names() {{
  local -a names
  names=(${{(f)"$({})"}})
  compadd -a names
}}
_cairn() {{
  local state
  local -a verbs
  verbs=(
{}  )
  _arguments -C{} \
        '1: :->verb' '*:: :->rest'
  case $state in
    verb) _describe verb verbs ;;
    rest) case $words[1] in
{}    esac ;;
  esac
}}
compdef _cairn cairn
)sh",
                     kNamesCommand, descriptions, specs(verbs[0]), cases);
}

std::string fish_completion(const std::vector<CompletedVerb>& verbs) {
  std::string text = fmt::format(
      "# fish completion of cairn; put it in ~/.config/fish/completions/cairn.fish\n"
      "function __cairn_names\n  {}\nend\n"
      "complete -c cairn -f\n",
      kNamesCommand);
  for (std::size_t at = 0; at < verbs.size(); ++at) {
    const CompletedVerb& verb = verbs[at];
    const std::string condition = at == 0 ? "" : fmt::format(" -n '__fish_seen_subcommand_from {}'", verb.name);
    if (at > 0)
      text +=
          fmt::format("complete -c cairn -n __fish_use_subcommand -a {} -d {}\n", verb.name, fish_quoted(verb.help));
    for (const CompletedOption& option : verb.options) {
      text += "complete -c cairn" + condition;
      for (const std::string& flag : option.flags) {
        text += flag.starts_with("--") ? " -l " + flag.substr(2) : " -s " + flag.substr(1);
      }
      if (option.takes_value) text += is_path(option) ? " -r -F" : " -x";
      text += " -d " + fish_quoted(option.help) + "\n";
    }
    if (!verb.choices.empty())
      text += fmt::format("complete -c cairn{} -a '{}'\n", condition, fmt::join(verb.choices, " "));
    if (verb.argument == CompletedArgument::path) text += fmt::format("complete -c cairn{} -F\n", condition);
    if (verb.argument == CompletedArgument::name)
      text += fmt::format("complete -c cairn{} -a '(__cairn_names)'\n", condition);
  }
  return text;
}

}  // namespace cairn::cli
