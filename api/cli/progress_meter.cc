// SPDX-License-Identifier: Apache-2.0
#include "api/cli/progress_meter.h"

#include <fmt/format.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include <algorithm>
#include <cstdio>
#include <cstring>
#include <optional>

namespace cairn::cli {
namespace {

using namespace std::chrono_literals;

std::size_t terminal_columns() {
  winsize size{};
  if (::ioctl(STDERR_FILENO, TIOCGWINSZ, &size) == 0 && size.ws_col > 0) return size.ws_col;
  return 80;
}

std::optional<double> share_done(const ProgressState& state) {
  if (state.bytes_total == 0) return std::nullopt;
  return std::min(1.0, static_cast<double>(state.bytes_done) / static_cast<double>(state.bytes_total));
}

std::optional<double> seconds_left(const ProgressState& state, double seconds) {
  if (state.bytes_total == 0 || state.bytes_done == 0 || state.bytes_done > state.bytes_total) return std::nullopt;
  return seconds * static_cast<double>(state.bytes_total - state.bytes_done) / static_cast<double>(state.bytes_done);
}

// What new_bytes counts, in the phase's own words; null where it counts nothing.
const char* new_bytes_word(const std::string_view phase) {
  if (phase == "add") return "new";
  if (phase == "restore") return "restored";
  if (phase == "check" || phase == "scrub") return "damaged";
  if (phase == "reclaim") return "freed";
  return nullptr;
}

// The first `columns` characters; never half of one.
std::string_view fit(std::string_view text, std::size_t columns) {
  std::size_t at = 0;
  for (std::size_t shown = 0; at < text.size(); ++at) {
    const bool starts_character = (static_cast<unsigned char>(text[at]) & 0xC0) != 0x80;
    if (starts_character && shown++ == columns) break;
  }
  return text.substr(0, at);
}

}  // namespace

ProgressMeter::ProgressMeter(Output& output, bool lines)
    : output_(output), lines_(lines), bar_(!output.json() && ::isatty(STDERR_FILENO) == 1) {}

void ProgressMeter::update(const ProgressState& state) {
  const std::lock_guard lock(mutex_);
  const auto now = Clock::now();
  if (std::strcmp(state_.phase, state.phase) != 0) phase_started_ = now;
  state_ = state;
  if (output_.quiet() || (output_.json() && !lines_)) return;
  if (now - started_ < 1s) return;
  const auto interval = output_.json() ? 500ms : bar_ ? 100ms : 10s;
  if (now - last_shown_ < interval) return;
  last_shown_ = now;
  const double seconds = std::chrono::duration<double>(now - phase_started_).count();
  if (output_.json()) {
    print_status(seconds);
  } else if (bar_) {
    draw_bar(seconds);
  } else {
    print_note(state_text(seconds));
  }
}

void ProgressMeter::clear() {
  const std::lock_guard lock(mutex_);
  if (!std::exchange(bar_shown_, false)) return;
  std::fputs("\r\x1b[K", stderr);
  std::fflush(stderr);
}

void ProgressMeter::print_state() {
  const std::lock_guard lock(mutex_);
  if (std::exchange(bar_shown_, false)) std::fputs("\r\x1b[K", stderr);
  print_note(state_text(std::chrono::duration<double>(Clock::now() - phase_started_).count()));
}

void ProgressMeter::print_status(double seconds) const {
  Json fields = {{"phase", state_.phase},           {"seconds", seconds},
                 {"bytes_done", state_.bytes_done}, {"bytes_total", state_.bytes_total},
                 {"new_bytes", state_.new_bytes},   {"files_done", state_.files_done}};
  if (seconds > 0)
    fields["bytes_per_second"] = static_cast<std::uint64_t>(static_cast<double>(state_.bytes_done) / seconds);
  if (const auto left = seconds_left(state_, seconds)) fields["seconds_left"] = *left;
  if (!state_.current.empty()) fields["current"] = state_.current;
  output_.line("status", fields);
}

void ProgressMeter::draw_bar(double seconds) {
  constexpr std::size_t kBarColumns = 20;
  std::string text;
  if (const auto share = share_done(state_)) {
    const auto filled = static_cast<std::size_t>(*share * kBarColumns);
    text = fmt::format("[{}{}] {:3.0f}%  ", std::string(filled, '#'), std::string(kBarColumns - filled, '.'),
                       *share * 100);
  }
  text += state_text(seconds);
  std::fprintf(stderr, "\r\x1b[K%s", std::string(fit(text, terminal_columns() - 1)).c_str());
  std::fflush(stderr);
  bar_shown_ = true;
}

std::string ProgressMeter::state_text(double seconds) const {
  if (*state_.phase == '\0') return "starting";
  std::string text = fmt::format("{}: {}", state_.phase, size_text(state_.bytes_done));
  if (state_.bytes_total > 0) text += " of " + size_text(state_.bytes_total);
  if (const char* word = new_bytes_word(state_.phase))
    text += fmt::format(", {} {}", size_text(state_.new_bytes), word);
  if (state_.bytes_done > 0 && seconds > 0) text += ", " + rate_text(state_.bytes_done, seconds);
  if (const auto left = seconds_left(state_, seconds)) text += fmt::format(", {} left", duration_text(*left));
  if (!state_.current.empty()) text += "  " + printable(state_.current);
  return text;
}

}  // namespace cairn::cli
