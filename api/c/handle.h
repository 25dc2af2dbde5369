// SPDX-License-Identifier: Apache-2.0
//
// How calls of the C interface end: no exception leaves them, and an error is kept for the thread that got it.
#pragma once

#include <cstdlib>
#include <cstring>
#include <new>
#include <string>
#include <string_view>
#include <utility>

#include "api/c/cairn.h"
#include "cairn/store.h"

struct cairn_store {
  cairn::Store store;
};

struct cairn_ticket {
  cairn::Ticket ticket;
};

struct cairn_run {
  cairn::MetricRun run;
};

namespace cairn::c {

cairn_code code_of(ErrorCode code) noexcept;
// Keeps it for cairn_error_message().
cairn_code failed(Error error) noexcept;

inline Error wrong(std::string message) { return {.code = ErrorCode::invalid_argument, .message = std::move(message)}; }

// Runs the body of a call, which returns a Status.
template <class Body>
cairn_code call(Body body) noexcept {
  try {
    Status status = body();
    return status.ok() ? CAIRN_OK : failed(std::move(status).error());
  } catch (const std::bad_alloc&) {
    return failed({.code = ErrorCode::resource_exhausted, .message = {}});
  } catch (...) {
    return failed({.code = ErrorCode::resource_exhausted, .message = {}});
  }
}

// Of caller's structures of options, which may be of an older header, or a newer one.
template <class Options>
Result<Options> options_of(const Options* given, const Options& defaults) {
  Options options = defaults;
  if (given == nullptr) return options;
  if (given->size < sizeof given->size) return wrong("a structure of options says that it has no size: use its _INIT");
  if (given->size > sizeof options) {
    const auto* behind = reinterpret_cast<const unsigned char*>(given) + sizeof options;
    for (std::size_t i = 0; i < given->size - sizeof options; ++i) {
      if (behind[i] != 0) {
        return Error{.code = ErrorCode::unsupported, .message = "an option that this version of cairn does not know"};
      }
    }
  }
  std::memcpy(&options, given, std::min(given->size, sizeof options));
  options.size = sizeof options;
  return options;
}

inline Status need(const void* given, const char* what) {
  return given != nullptr ? Status() : Status(wrong(std::string(what) + " is NULL"));
}

// Memory that cairn_free() takes back; never NULL.
inline void* copy_of(const void* data, std::size_t bytes) {
  void* memory = std::malloc(bytes > 0 ? bytes : 1);
  if (memory == nullptr) throw std::bad_alloc();
  if (bytes > 0) std::memcpy(memory, data, bytes);
  return memory;
}
inline char* copy_of(std::string_view text) {
  auto* memory = static_cast<char*>(std::malloc(text.size() + 1));
  if (memory == nullptr) throw std::bad_alloc();
  std::memcpy(memory, text.data(), text.size());
  memory[text.size()] = '\0';
  return memory;
}

inline std::string text_of(const char* text) { return text != nullptr ? std::string(text) : std::string(); }

inline Status set(cairn_id& id, std::string_view text) {
  if (text.size() >= sizeof id.text) return wrong("an id of " + std::to_string(text.size()) + " bytes");
  std::memset(id.text, 0, sizeof id.text);
  std::memcpy(id.text, text.data(), text.size());
  return {};
}

}  // namespace cairn::c
