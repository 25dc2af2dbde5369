// SPDX-License-Identifier: Apache-2.0
//
// A database as what a mirror is pushed to again and again.
#pragma once

#include <chrono>
#include <optional>

#include "api/src/postgres_push.h"
#include "replication/remote.h"

namespace cairn {

// Connected from a push until it is to rest or to forget: so long it has the store's lock in the database.
class PostgresRemote final : public mirror::Remote {
 public:
  // Borrows the source, the store that it is of, and `stop`. `bytes_per_second` 0: no limit.
  PostgresRemote(mirror::Source& source, StoreImpl& store, postgres::Address address, postgres::StopEvent& stop,
                 std::uint64_t bytes_per_second);

  Result<mirror::PushReport> push(const mirror::PushProgress& progress) override;
  void forget() override { pusher_.reset(); }
  void rest() override { pusher_.reset(); }
  void stop() override { stop_.stop(); }

 private:
  Status go_on(const PostgresPushReport& so_far);
  // Waits for what so many bytes cost.
  void pay(std::uint64_t bytes);

  mirror::Source& source_;
  PostgresRows rows_;
  const postgres::Address address_;
  postgres::StopEvent& stop_;
  const std::uint64_t bytes_per_second_;
  PostgresPushOptions options_;
  std::optional<PostgresPusher> pusher_;
  mirror::PushProgress progress_;  // of the push under way, as how much of it is paid for
  std::uint64_t paid_bytes_ = 0;
  std::chrono::steady_clock::time_point paid_{};  // when all of it is
};

}  // namespace cairn
