// SPDX-License-Identifier: Apache-2.0
//
// A mirror in a PostgreSQL database: rows of what the store says, and no content.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "api/src/opened_mirror.h"
#include "replication/postgres/address.h"
#include "replication/postgres/connection.h"
#include "replication/postgres/stop_event.h"

namespace cairn {

class PostgresMirror final : public OpenedMirror {
 public:
  PostgresMirror(StoreImpl& store, MirrorInfo info, std::unique_ptr<postgres::StopEvent> stop);

  std::unique_ptr<mirror::Remote> remote(mirror::Source& source, const MirroringOptions& options) override;
  Result<MirrorStatus> status() override;
  Result<MirrorPullReport> pull(const std::vector<std::string>& refs, const std::string& from,
                                const Progress& progress) override;
  Result<MirrorVerifyReport> verify(bool read_data, const Progress& progress) override;
  Result<MirrorGcReport> gc(const MirrorGcOptions& options, const Progress& progress) override;
  Result<RepairReport> repair(const Progress& progress) override;

 private:
  // What each store of the database says, and what of this one is left out.
  Status add_stores(postgres::Connection& connection, MirrorStatus& status);
  Error has_no(const std::string& what) const;

  const postgres::Address address_;
  const std::unique_ptr<postgres::StopEvent> stop_;
};

// As check_mirror_place() and open_mirror(), of a place that is a database.
Status check_postgres_place(const MirrorPlace& place);
Result<std::unique_ptr<OpenedMirror>> open_postgres_mirror(StoreImpl& store, MirrorInfo info);
Result<std::unique_ptr<ResultFinder>> open_postgres_finder(const StoreImpl& store, const MirrorPlace& place);

}  // namespace cairn
