// SPDX-License-Identifier: Apache-2.0
//
// Looks for results of other stores in a database, over a few connections that stay open.
#pragma once

#include <memory>
#include <mutex>
#include <string_view>
#include <vector>

#include "api/src/result_read_through.h"
#include "replication/postgres/connection.h"

namespace cairn {

class PostgresFinder final : public ResultFinder {
 public:
  // `except`: the store that asks; what it has said and does not have was removed there. Connects with the first
  // question. A question ends within the address's times.
  PostgresFinder(postgres::Address address, const postgres::Uuid& except);

  Result<std::optional<ResultEnvelope>> find(std::string_view name_space, std::string_view key,
                                             std::uint64_t now_ns) override;

 private:
  std::unique_ptr<postgres::Connection> take_idle();
  Result<std::unique_ptr<postgres::Connection>> connect();

  const postgres::Address address_;
  const postgres::Uuid except_;
  std::mutex mutex_;
  std::vector<std::unique_ptr<postgres::Connection>> idle_;  // guarded by mutex_; as many as were in use at once
};

}  // namespace cairn
