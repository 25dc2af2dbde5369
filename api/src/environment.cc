// SPDX-License-Identifier: Apache-2.0
#include "cairn/environment.h"

#include <charconv>
#include <cstdlib>
#include <limits>
#include <optional>
#include <string_view>

#include "engine/base/errors.h"
#include "engine/format/manifest.h"

namespace cairn {
namespace {

Error cannot_be_meant(const char* name, std::string_view text, const std::string& why) {
  return make_error(ErrorCode::invalid_argument,
                    std::string(name) + "='" + printable(std::string(text.substr(0, 64))) + "' " + why);
}

// Nothing when the variable is not there, or empty.
Result<std::optional<std::uint64_t>> number(const char* name, std::uint64_t most, bool bytes) {
  const char* const value = std::getenv(name);
  if (value == nullptr || *value == '\0') return std::optional<std::uint64_t>();
  const std::string_view text = value;
  std::uint64_t result = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), result);
  const std::string_view suffix = text.substr(static_cast<std::size_t>(end - text.data()));
  constexpr std::string_view kSuffixes = "KMGT";
  const std::size_t power = suffix.empty() ? 0 : kSuffixes.find(suffix) + 1;  // npos + 1 is 0
  const bool known = suffix.empty() || (bytes && suffix.size() == 1 && power > 0);
  if (error == std::errc::invalid_argument || !known) {
    return cannot_be_meant(name, text,
                           bytes ? "is no number of bytes, such as 64M" : "is no whole number that is not negative");
  }
  const bool fits = error == std::errc() && result <= most >> (10 * power);
  if (!fits) return cannot_be_meant(name, text, "is above " + std::to_string(most));
  return std::optional(result << (10 * power));
}

constexpr std::uint64_t kBytesMax = std::uint64_t{1} << 62;
constexpr std::uint64_t kDayUs = 24ull * 3600 * 1'000'000;

template <class T>
Status take(const char* name, std::uint64_t most, bool bytes, T& into) {
  CAIRN_TRY(const auto value, number(name, most, bytes));
  if (value) into = static_cast<T>(*value);
  return {};
}

}  // namespace

std::string store_path_from_environment(const std::string& path) {
  const char* const value = std::getenv("CAIRN_STORE");
  return value == nullptr || *value == '\0' ? path : value;
}

Result<StoreOptions> options_from_environment(StoreOptions options) {
  CAIRN_CHECK(take("CAIRN_THREADS", 1024, false, options.threads));
  CAIRN_CHECK(take("CAIRN_NICE", 19, false, options.nice));
  CAIRN_CHECK(take("CAIRN_DISK_BUDGET_BYTES", kBytesMax, true, options.disk_budget_bytes));
  CAIRN_CHECK(take("CAIRN_MEMORY_CACHE_BYTES", kBytesMax, true, options.memory_cache_bytes));
  CAIRN_CHECK(take("CAIRN_RESULTS_PENDING_BYTES", kBytesMax, true, options.results_pending_bytes));
  CAIRN_CHECK(take("CAIRN_WRITER_BUDGET_BYTES", kBytesMax, true, options.writer.budget_bytes));
  CAIRN_CHECK(take("CAIRN_WRITER_LINGER_US", kDayUs, false, options.writer.linger));
  CAIRN_CHECK(
      take("CAIRN_METRICS_FLUSH_ROWS", std::numeric_limits<std::uint32_t>::max(), false, options.metrics.flush_rows));
  CAIRN_CHECK(take("CAIRN_METRICS_FLUSH_MS", kDayUs / 1000, false, options.metrics.flush_interval));
  return options;
}

}  // namespace cairn
