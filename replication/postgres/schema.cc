// SPDX-License-Identifier: Apache-2.0
#include "replication/postgres/schema.h"

#include <utility>

#include "replication/postgres/errors.h"
#include "replication/postgres/migrations.h"

namespace cairn::postgres {
namespace {

// Of whoever migrates. Any number that others are unlikely to lock: "cairn" and a version of this protocol.
constexpr std::string_view kLock = "SELECT pg_advisory_xact_lock(427170130433)";

// What each table, index and view is, as far as it does not differ between versions of PostgreSQL: from 18 on a NOT
// NULL is a constraint as well, which its column says already.
constexpr std::string_view kDescribe = R"sql(
SELECT name, left(encode(sha256(convert_to(string_agg(line, chr(10) ORDER BY line COLLATE "C"), 'UTF8')), 'hex'), 16)
FROM (
  SELECT c.relname::text AS name, concat_ws(' ', 'column', a.attnum, a.attname, format_type(a.atttypid, a.atttypmod),
         a.attnotnull, pg_get_expr(d.adbin, d.adrelid)) AS line
  FROM pg_class c JOIN pg_attribute a ON a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped
  LEFT JOIN pg_attrdef d ON d.adrelid = c.oid AND d.adnum = a.attnum
  WHERE c.relnamespace = to_regnamespace('cairn') AND c.relkind IN ('r', 'v')
  UNION ALL
  SELECT c.relname, concat_ws(' ', 'kind', c.relkind, c.relpersistence)
  FROM pg_class c WHERE c.relnamespace = to_regnamespace('cairn') AND c.relkind IN ('r', 'v')
  UNION ALL
  SELECT c.relname, concat_ws(' ', 'constraint', o.contype, pg_get_constraintdef(o.oid))
  FROM pg_constraint o JOIN pg_class c ON c.oid = o.conrelid
  WHERE c.relnamespace = to_regnamespace('cairn') AND o.contype <> 'n'
  UNION ALL
  SELECT c.relname, concat_ws(' ', 'trigger', t.tgname)
  FROM pg_trigger t JOIN pg_class c ON c.oid = t.tgrelid
  WHERE c.relnamespace = to_regnamespace('cairn') AND NOT t.tgisinternal
  UNION ALL
  SELECT c.relname, concat_ws(' ', 'index', i.indisvalid, pg_get_indexdef(i.indexrelid))
  FROM pg_index i JOIN pg_class c ON c.oid = i.indexrelid WHERE c.relnamespace = to_regnamespace('cairn')
) AS lines GROUP BY name)sql";

std::int64_t known_version() { return static_cast<std::int64_t>(migrations().size()); }

Error wrong_version(std::int64_t version) {
  return make_error(ErrorCode::unsupported, "the schema 'cairn' of the database has version " +
                                                std::to_string(version) + ", and this program " +
                                                (version > known_version() ? "knows none above " : "needs ") +
                                                std::to_string(known_version()));
}

Status compare_objects(Connection& connection) {
  CAIRN_TRY(const auto found, describe_schema(connection));
  for (const SchemaObject& object : migrations().back().objects) {
    const auto at = found.find(std::string(object.name));
    if (at != found.end() && at->second == object.digest) continue;
    return make_error(ErrorCode::unsupported,
                      "cairn." + std::string(object.name) +
                          (at == found.end() ? " is missing in the database" : " was changed in the database") +
                          ": nothing is written to a schema that is not as this program makes it");
  }
  return {};
}

Status migrate(Connection& connection) {
  CAIRN_CHECK(connection.run(kLock));
  // Somebody else may have done it while we waited.
  CAIRN_TRY(const std::int64_t from, schema_version(connection));
  if (from > known_version()) return wrong_version(from);
  if (from == 0) {
    CAIRN_CHECK(
        connection.run("CREATE SCHEMA IF NOT EXISTS cairn;"
                       "COMMENT ON SCHEMA cairn IS 'What Cairn stores say, mirrored as rows';"));
  }
  for (std::int64_t version = from + 1; version <= known_version(); ++version) {
    for (const std::string_view script : migrations()[static_cast<std::size_t>(version) - 1].scripts) {
      CAIRN_CHECK(connection.run(script));
    }
    CAIRN_CHECK(connection.run("INSERT INTO cairn.schema_versions (version) VALUES (" + std::to_string(version) + ")"));
  }
  return {};
}

}  // namespace

Result<std::int64_t> schema_version(Connection& connection) {
  // From the catalogue itself: what a function like to_regclass() remembers may be of before somebody else was waited
  // for.
  CAIRN_TRY(const Rows known, connection.query("SELECT count(*) > 0 FROM pg_class c JOIN pg_namespace n "
                                               "ON n.oid = c.relnamespace "
                                               "WHERE n.nspname = 'cairn' AND c.relname = 'schema_versions'"));
  CellReader found = known.row(0);
  const bool is_there = found.boolean();
  CAIRN_CHECK(found.check());
  if (!is_there) return 0;
  CAIRN_TRY(const Rows rows, connection.query("SELECT coalesce(max(version), 0) FROM cairn.schema_versions"));
  CellReader row = rows.row(0);
  const std::int64_t version = row.int8();
  CAIRN_CHECK(row.check());
  return version;
}

Result<std::map<std::string, std::string>> describe_schema(Connection& connection) {
  CAIRN_TRY(const Rows rows, connection.query(kDescribe));
  std::map<std::string, std::string> found;
  for (std::size_t i = 0; i < rows.size(); ++i) {
    CellReader row = rows.row(i);
    std::string name = row.text();
    found.emplace(std::move(name), row.text());
    CAIRN_CHECK(row.check());
  }
  return found;
}

Status check_schema(Connection& connection) {
  CAIRN_TRY(const std::int64_t version, schema_version(connection));
  if (version == 0) return make_error(ErrorCode::not_found, "the database has no schema 'cairn'");
  if (version != known_version()) return wrong_version(version);
  return compare_objects(connection);
}

Status require_schema(Connection& connection) {
  CAIRN_TRY(const std::int64_t version, schema_version(connection));
  if (version < known_version()) {
    CAIRN_CHECK(in_transaction(connection, [&] { return migrate(connection); }));
  }
  return check_schema(connection);
}

}  // namespace cairn::postgres
