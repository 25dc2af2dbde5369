// SPDX-License-Identifier: Apache-2.0
//
// Errors are values. Every fallible call of Cairn returns Result<T> (or Status,
// which is Result<void>), in the shape of C++23's std::expected; no exception
// crosses the API. A Result that is dropped is a compiler warning.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <variant>

// A shared library shows what is declared from here on.
#pragma GCC visibility push(default)
namespace cairn {

enum class ErrorCode : std::uint8_t {
  invalid_argument,    // the call itself is wrong; repeating it cannot help
  not_found,           // no such name, object or file
  no_store,            // the folder holds no store
  already_exists,      // creation refused: something is there already
  held,                // another process has the store open for writing
  corruption,          // bytes that were stored are not the bytes read
  unsupported,         // a newer format version, or a feature this build lacks
  no_space,            // the device or a quota is full; retry once there is space, and reopen
                       // the store before when Error::retryable is false
  io,                  // the operating system refused; see Error::sys_errno
  poisoned,            // an earlier sync failed; the store must be reopened
  cancelled,           // the caller asked to stop
  resource_exhausted,  // a limit on memory or size protects the process
  overloaded,          // the writer's budget is full; retry when it has caught up
  conflict             // somebody else was first: what the call relied on has changed
};

// The code's name as it appears in messages and JSON, e.g. "not_found".
std::string_view error_code_name(ErrorCode code) noexcept;

// What failed. `message` names the thing (file, id, offset, name) in words a
// user can act on; it never holds a secret. An error from a write means
// "outcome unknown": every operation is safe to repeat.
struct [[nodiscard]] Error {
  ErrorCode code = ErrorCode::io;
  std::string message;
  int sys_errno = 0;       // 0 when the operating system gave none
  bool retryable = false;  // whether the same call may succeed later

  // Puts `context` and ": " before the message: outer callers say what they were doing.
  Error with_context(std::string_view context) && {
    message.insert(0, std::string(context) + ": ");
    return std::move(*this);
  }
};

// Holds a value or an Error. Reading the one that is not held is a bug in the
// caller and terminates the process.
template <class T>
class [[nodiscard]] Result {
 public:
  using value_type = T;

  Result(T value) : state_(std::in_place_index<0>, std::move(value)) {}      // NOLINT(google-explicit-constructor)
  Result(Error error) : state_(std::in_place_index<1>, std::move(error)) {}  // NOLINT(google-explicit-constructor)

  bool ok() const noexcept { return state_.index() == 0; }
  explicit operator bool() const noexcept { return ok(); }

  T& value() & noexcept { return std::get<0>(state_); }
  const T& value() const& noexcept { return std::get<0>(state_); }
  T&& value() && noexcept { return std::get<0>(std::move(state_)); }
  T& operator*() & noexcept { return value(); }
  const T& operator*() const& noexcept { return value(); }
  T&& operator*() && noexcept { return std::move(*this).value(); }
  T* operator->() noexcept { return &value(); }
  const T* operator->() const noexcept { return &value(); }
  T value_or(T fallback) && { return ok() ? std::move(*this).value() : std::move(fallback); }

  Error& error() & noexcept { return std::get<1>(state_); }
  const Error& error() const& noexcept { return std::get<1>(state_); }
  Error&& error() && noexcept { return std::get<1>(std::move(state_)); }

 private:
  std::variant<T, Error> state_;
};

template <>
class [[nodiscard]] Result<void> {
 public:
  Result() = default;
  Result(Error error) : error_(std::move(error)) {}  // NOLINT(google-explicit-constructor)

  bool ok() const noexcept { return !error_.has_value(); }
  explicit operator bool() const noexcept { return ok(); }

  Error& error() & noexcept { return *error_; }
  const Error& error() const& noexcept { return *error_; }
  Error&& error() && noexcept { return std::move(*error_); }

 private:
  std::optional<Error> error_;
};

using Status = Result<void>;

}  // namespace cairn
#pragma GCC visibility pop

#define CAIRN_CONCAT_INNER(a, b) a##b
#define CAIRN_CONCAT(a, b) CAIRN_CONCAT_INNER(a, b)

// CAIRN_TRY(const auto size, file.size()): declares `size`, or returns the error. The
// expression stands on its own: a lambda that uses these macros is named before.
#define CAIRN_TRY(declaration, expression) \
  CAIRN_TRY_INNER(CAIRN_CONCAT(cairn_result_, __LINE__), declaration, expression)
#define CAIRN_TRY_INNER(result, declaration, expression) \
  auto result = (expression);                            \
  if (!result.ok()) {                                    \
    return std::move(result).error();                    \
  }                                                      \
  declaration = std::move(result).value()

// CAIRN_CHECK(log.sync()): returns the error if there is one.
#define CAIRN_CHECK(expression)                                 \
  do {                                                          \
    if (auto cairn_status = (expression); !cairn_status.ok()) { \
      return std::move(cairn_status).error();                   \
    }                                                           \
  } while (false)
