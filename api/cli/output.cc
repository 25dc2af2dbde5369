// SPDX-License-Identifier: Apache-2.0
#include "api/cli/output.h"

#include <unistd.h>

#include <cerrno>
#include <cstdio>
#include <cstdlib>
#include <cstring>

namespace cairn::cli {
namespace {

bool color_wanted() {
  const char* const no_color = std::getenv("NO_COLOR");
  if (no_color != nullptr && *no_color != '\0') return false;
  const char* const terminal = std::getenv("TERM");
  return terminal != nullptr && std::strcmp(terminal, "dumb") != 0;
}

}  // namespace

std::string json_text(const Json& value, int indent) {
  return value.dump(indent, ' ', false, Json::error_handler_t::replace);
}

Output::Output(const Options& options)
    : options_(options),
      terminal_(::isatty(STDOUT_FILENO) == 1),
      color_(terminal_ && !options.no_color && color_wanted()) {}

void Output::document(Json value) {
  const auto versioned = [](const Json& object) {
    Json out = {{"schema_version", kSchemaVersion}};
    out.update(object);
    return out;
  };
  if (value.is_array()) {
    for (Json& element : value) element = versioned(element);
  } else {
    value = versioned(value);
  }
  text(json_text(value, terminal_ ? 2 : -1) + "\n");
}

void Output::line(std::string_view message_type, const Json& fields) {
  Json out = {{"message_type", message_type}, {"schema_version", kSchemaVersion}};
  out.update(fields);
  text(json_text(out) + "\n");
  // Whoever reads status lines wants them now.
  std::fflush(stdout);
}

void Output::write(std::span<const std::byte> bytes) {
  if (std::fwrite(bytes.data(), 1, bytes.size(), stdout) != bytes.size() && write_errno_ == 0) {
    write_errno_ = errno != 0 ? errno : EIO;
  }
}

Status Output::finish() {
  if (std::fflush(stdout) != 0 && write_errno_ == 0) write_errno_ = errno;
  if (write_errno_ == 0) return {};
  return Error{.code = ErrorCode::io,
               .message = std::string("write to standard output: ") + std::strerror(write_errno_),
               .sys_errno = write_errno_};
}

void print_note(std::string_view text) {
  const std::string line = "cairn: " + printable(text) + "\n";
  std::fwrite(line.data(), 1, line.size(), stderr);
}

int exit_code_of(const Error& error) noexcept {
  switch (error.code) {
    case ErrorCode::no_store: return kExitNoStore;
    case ErrorCode::held: return kExitHeld;
    case ErrorCode::not_found: return kExitNotFound;
    case ErrorCode::corruption: return kExitDamage;
    case ErrorCode::cancelled: return kExitInterrupted;
    // With an errno it was the operating system that found an argument invalid.
    case ErrorCode::invalid_argument: return error.sys_errno == 0 ? kExitUsage : kExitFailed;
    default: return kExitFailed;
  }
}

void print_exit_error(bool json, int code, std::string_view kind, std::string_view message) {
  if (!json) return print_note(message);
  const std::string line = json_text({{"message_type", "exit_error"},
                                      {"schema_version", kSchemaVersion},
                                      {"code", code},
                                      {"error", kind},
                                      {"message", message}}) +
                           "\n";
  std::fwrite(line.data(), 1, line.size(), stderr);
}

}  // namespace cairn::cli
