// SPDX-License-Identifier: Apache-2.0
#include "api/src/glob.h"

#include <vector>

namespace cairn {
namespace {

// Whether the class that begins at pattern[at] ('[') holds `c`. Sets `after` behind it; a
// class that never ends is a literal '['.
bool class_matches(std::string_view pattern, std::size_t at, char c, std::size_t& after) {
  std::size_t i = at + 1;
  const bool negated = i < pattern.size() && pattern[i] == '!';
  if (negated) ++i;
  bool found = false;
  const std::size_t first = i;
  while (i < pattern.size() && (pattern[i] != ']' || i == first)) {
    if (i + 2 < pattern.size() && pattern[i + 1] == '-' && pattern[i + 2] != ']') {
      found = found || (pattern[i] <= c && c <= pattern[i + 2]);
      i += 3;
    } else {
      found = found || pattern[i] == c;
      ++i;
    }
  }
  if (i == pattern.size()) {
    after = at + 1;
    return c == '[';
  }
  after = i + 1;
  return found != negated && c != '/';
}

// reachable[i]: the pattern's first i characters match what has been read of the path.
bool match_whole(std::string_view pattern, std::string_view path) {
  std::vector<char> now(pattern.size() + 1, 0);
  std::vector<char> then(pattern.size() + 1, 0);
  // A star may stand for nothing: step over it.
  const auto close = [&](std::vector<char>& states, bool component_begins) {
    for (std::size_t i = 0; i < pattern.size(); ++i) {
      if (states[i] && pattern[i] == '*') {
        states[i + 1] = 1;
        // "**/" may also stand for no component at all.
        if (component_begins && i + 2 < pattern.size() && pattern[i + 1] == '*' && pattern[i + 2] == '/' &&
            (i == 0 || pattern[i - 1] == '/')) {
          states[i + 3] = 1;
        }
      }
    }
  };
  now[0] = 1;
  close(now, true);
  for (const char c : path) {
    then.assign(pattern.size() + 1, 0);
    for (std::size_t i = 0; i < pattern.size(); ++i) {
      if (!now[i]) continue;
      if (pattern[i] == '*') {
        const bool across = (i + 1 < pattern.size() && pattern[i + 1] == '*') || (i > 0 && pattern[i - 1] == '*');
        if (across || c != '/') then[i] = 1;
      } else if (pattern[i] == '?') {
        if (c != '/') then[i + 1] = 1;
      } else if (pattern[i] == '[') {
        std::size_t after = 0;
        if (class_matches(pattern, i, c, after)) then[after] = 1;
      } else if (pattern[i] == c) {
        then[i + 1] = 1;
      }
    }
    close(then, c == '/');
    now.swap(then);
  }
  return now[pattern.size()];
}

}  // namespace

bool glob_match(std::string_view pattern, std::string_view path) {
  if (match_whole(pattern, path)) return true;
  const std::size_t slash = path.rfind('/');
  if (pattern.find('/') != std::string_view::npos || slash == std::string_view::npos) return false;
  return match_whole(pattern, path.substr(slash + 1));
}

}  // namespace cairn
