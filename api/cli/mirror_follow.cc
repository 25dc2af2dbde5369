// SPDX-License-Identifier: Apache-2.0
//
// cairn mirror push --follow: keeps a mirror up to date with what another process writes.
//
// The store is open for reading only, beside whoever writes, so that a training process needs to know nothing of its
// mirror. What is sent is durable in the log before.
#include "api/cli/mirror_follow.h"

#include <fmt/format.h>

#include <chrono>

#include "api/cli/answers.h"
#include "api/cli/json_fields.h"

namespace cairn::cli {
namespace {

using Clock = std::chrono::steady_clock;
constexpr std::chrono::milliseconds kInterval{500};
constexpr std::size_t kIdleSecondsMax = 9'000'000'000;

double seconds_of(std::chrono::nanoseconds time) { return std::chrono::duration<double>(time).count(); }

Json fields_of(const MirroringStats& stats) {
  return {{"lag_bytes", stats.lag_bytes},
          {"lag_records", stats.lag_records},
          {"lag_seconds", seconds_of(stats.lag)},
          {"pushes", stats.pushes},
          {"failures", stats.failures},
          {"error", printable(stats.error)},
          {"statements", stats.sent.statements},
          {"records", stats.sent.records},
          {"content_bytes", stats.sent.content_bytes},
          {"rows", stats.sent.rows},
          {"sent_bytes", stats.sent.sent_bytes},
          {"requests", stats.sent.requests},
          {"left_out", stats.sent.left_out.size()}};
}

// What has changed since it was last told.
class Teller {
 public:
  explicit Teller(Session& session) : session_(session) {}

  void tell(const MirroringStats& stats) {
    const bool is_new = stats.pushes != told_.pushes || stats.failures != told_.failures;
    if (session_.out().json()) {
      if (is_new) session_.out().line("status", fields_of(stats));
    } else if (stats.failures != told_.failures && !stats.error.empty()) {
      print_note(
          fmt::format("{}; tried again in {}", printable(stats.error), duration_text(seconds_of(stats.retry_in))));
    } else if (stats.sent.sent_bytes != told_.sent.sent_bytes && stats.state == MirroringState::current) {
      session_.out().report(
          fmt::format("{} sent in all, {}; up to date\n", size_text(stats.sent.sent_bytes),
                      count_text(stats.sent.statements, "name, object or result", "names, objects and results")));
    }
    if (is_new || stats.state == MirroringState::current) told_ = stats;
  }

 private:
  Session& session_;
  MirroringStats told_;
};

}  // namespace

Result<int> follow_with_mirror(Session& session, const FollowOptions& options) {
  MirroringOptions mirroring;
  if (!options.limit.empty()) {
    CAIRN_TRY(mirroring.bytes_per_second, parse_size(options.limit));
  }
  if (options.idle.value_or(0) > kIdleSecondsMax) return wrong_usage("--idle is from 0 to 9000000000 seconds");
  CAIRN_TRY(Store store, session.open_store(Access::read_only));
  Mirrors mirrors = store.mirrors();
  CAIRN_CHECK(mirrors.start(options.mirror, mirroring));
  Teller teller(session);
  MirroringStats stats;
  for (Clock::time_point busy = Clock::now();;) {
    CAIRN_TRY(stats, mirrors.mirroring(options.mirror));
    teller.tell(stats);
    // Nobody is left to read when this fails.
    CAIRN_CHECK(session.out().finish());
    if (stats.state != MirroringState::current) busy = Clock::now();
    if (options.idle && Clock::now() - busy >= std::chrono::seconds(*options.idle)) break;
    CAIRN_CHECK(session.wait(kInterval));
  }
  if (session.out().json()) session.summary(fields_of(stats));
  return stats.sent.left_out.empty() ? kExitDone : kExitPartial;
}

}  // namespace cairn::cli
