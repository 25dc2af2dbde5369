// SPDX-License-Identifier: Apache-2.0
//
// The schema `cairn` of a database: made, brought up to this version, and compared with what it should be.
#pragma once

#include <cstdint>
#include <map>
#include <string>

#include "cairn/result.h"
#include "replication/postgres/connection.h"

namespace cairn::postgres {

// The version that the database has; 0: none.
Result<std::int64_t> schema_version(Connection& connection);
// What the schema has, as migrations.h lists it. What others have put there is among it.
Result<std::map<std::string, std::string>> describe_schema(Connection& connection);

// The schema is of this version, and what it should be. unsupported: it is older or newer, or something in it was
// changed, which the error names; not_found: there is none. What others have added beside it is no matter.
Status check_schema(Connection& connection);

// The same, after making the schema or bringing it up to this version, for which only one of those who do so at once
// needs the right; the others wait for it. A newer one is refused.
Status require_schema(Connection& connection);

}  // namespace cairn::postgres
