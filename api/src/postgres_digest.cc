// SPDX-License-Identifier: Apache-2.0
#ifdef CAIRN_HAVE_POSTGRES
#include "api/src/postgres_digest.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <optional>
#include <span>

#include "engine/base/errors.h"
#include "replication/bucket.h"
#include "replication/postgres/escaped.h"
#include "replication/postgres/rows.h"

namespace cairn {
namespace {

using postgres::CellReader;
using postgres::CellWriter;
using postgres::Table;
using Cell = std::optional<std::string_view>;

// JSON that is made of a column that is there as well.
struct Derived {
  std::string_view json, of;
};
constexpr Derived kDerived[] = {{"config_json", "config"},
                                {"search_space_json", "search_space"},
                                {"architecture_json", "architecture"},
                                {"json", "bytes"}};
const Derived* derived(std::string_view column) {
  const auto* const found = std::ranges::find(kDerived, column, &Derived::json);
  return found == std::end(kDerived) ? nullptr : found;
}

// By which people know a row.
std::vector<std::string_view> names_in(const Table& table) {
  if (&table == &postgres::kResults) return {"namespace", "key"};
  if (&table == &postgres::kMetrics) return {"run", "block"};
  if (&table == &postgres::kLeftOut) return {"kind", "key"};
  const auto keys = table.columns.first(table.group).subspan(1);
  return {keys.begin(), keys.end()};
}

std::uint64_t number_in(std::span<const std::byte> bytes) {
  std::uint64_t number = 0;
  for (const std::byte byte : bytes) number = number << 8 | static_cast<std::uint64_t>(byte);
  return number;
}
std::uint64_t number_in(std::string_view bytes) { return number_in(std::as_bytes(std::span(bytes))); }

// The cells of the first row of a COPY stream, which is taken off.
std::vector<Cell> take_row(std::string_view& rows) {
  constexpr std::uint64_t kNull = std::numeric_limits<std::uint32_t>::max();
  std::vector<Cell> cells(number_in(rows.substr(0, 2)));
  rows.remove_prefix(2);
  for (Cell& cell : cells) {
    const std::uint64_t size = number_in(rows.substr(0, 4));
    rows.remove_prefix(4);
    if (size == kNull) continue;
    cell = rows.substr(0, size);
    rows.remove_prefix(size);
  }
  return cells;
}

void append_cell(std::string& out, const Cell& cell) {
  const std::size_t size = cell ? cell->size() : std::numeric_limits<std::uint32_t>::max();
  for (int shift = 24; shift >= 0; shift -= 8) out += static_cast<char>(size >> shift);
  if (cell) out += *cell;
}

void append_digest(std::string& out, std::string_view cell) {
  const postgres::Bytes digest = postgres::sha256(cell);
  append_cell(out, std::string_view(reinterpret_cast<const char*>(digest.data()), digest.size()));
}

// Whose place in a row its SHA-256 takes: what costs to make is to be made once.
bool is_digested(const std::string& type) { return type == "jsonb" || type.starts_with('_'); }

// The members of an object that is no other column's, each name and value as cells.
Result<std::string> members_of(std::string_view column, std::string_view cell) {
  CellReader reader(1, [&](std::size_t) { return Cell(cell); });
  std::map<std::string, CellWriter> sorted;  // by their names as the database has them
  if (column == "metrics") {
    for (const auto& [name, value] : reader.numbers_jsonb()) {
      // What SQL makes of a text.
      sorted[postgres::escaped(name)].text(name).float8(std::isnan(value) ? std::numeric_limits<double>::quiet_NaN()
                                                                          : value);
    }
  } else {
    for (const auto& [name, value] : reader.texts_jsonb()) sorted[postgres::escaped(name)].text(name).text(value);
  }
  CAIRN_CHECK(reader.check());
  std::string cells;
  for (const auto& [name, member] : sorted) cells += member.bytes();
  return cells;
}

// Of a text or bytes, and what they are on the wire.
std::string sized_in_sql(const std::string& value, const std::string& sent) {
  return "coalesce(int4send(octet_length(" + value + ")) || " + sent + ", '\\xffffffff'::bytea)";
}

// Of what has that many bytes.
std::string of_size_in_sql(const char* size, const std::string& sent) {
  return "coalesce('\\x" + std::string(size) + "'::bytea || " + sent + ", '\\xffffffff'::bytea)";
}

// What is no number there, or none of float8's, was put by somebody else: it is to differ, not to fail.
constexpr std::string_view kNumberInSql =
    "CASE WHEN m.value IN ('NaN', 'Infinity', '-Infinity') THEN float8send(m.value::float8) "
    "WHEN m.value !~ '^-?[0-9]+([.][0-9]+)?$' THEN textsend(m.value) "
    "WHEN m.value::numeric = 0 OR abs(m.value::numeric) BETWEEN 4.95e-324 AND 1.797693134862315708e308 "
    "THEN float8send(m.value::float8) ELSE textsend(m.value) END";

// As members_of() has them.
std::string members_in_sql(std::string_view column) {
  const std::string name(column);
  const std::string value = column == "metrics" ? of_size_in_sql("00000008", std::string(kNumberInSql))
                                                : sized_in_sql("m.value", "textsend(m.value)");
  return "CASE WHEN jsonb_typeof(" + name + ") = 'object' THEN coalesce((SELECT string_agg(" +
         sized_in_sql("m.key", "textsend(m.key)") + " || " + value +
         ", ''::bytea ORDER BY m.key COLLATE \"C\") FROM jsonb_each_text(" + name +
         ") m), ''::bytea) ELSE jsonb_send(" + name + ") END";
}

// A column's cell, as digest_of() has it.
std::string cell_in_sql(std::string_view column, const std::string& type) {
  const std::string name(column);
  if (derived(column) != nullptr) return of_size_in_sql("00000001", "boolsend(" + name + " IS NOT NULL)");
  if (type == "jsonb") return of_size_in_sql("00000020", "sha256(" + members_in_sql(column) + ")");
  if (is_digested(type)) return of_size_in_sql("00000020", "sha256(array_send(" + name + "))");
  if (type == "int8" || type == "float8") return of_size_in_sql("00000008", type + "send(" + name + ")");
  if (type == "uuid") return of_size_in_sql("00000010", "uuid_send(" + name + ")");
  if (type == "bool") return of_size_in_sql("00000001", "boolsend(" + name + ")");
  return sized_in_sql(name, type == "bytea" ? name : "textsend(" + name + ")");
}

// A subquery that is computed once for each row, and not for each place that names its columns.
std::string once(const std::string& rows) { return "(" + rows + " OFFSET 0) r"; }

const std::string kBucketInSql = "(get_byte(d, 0) * 16 + get_byte(d, 1) / 16)::int8";

RowsDigest digest_in(CellReader& row) {
  RowsDigest digest;
  digest.rows = row.count();
  for (std::uint64_t& sum : digest.sums) sum = row.count();
  return digest;
}

CellWriter cell_of(const postgres::Uuid& store) {
  CellWriter values;
  values.uuid(store);
  return values;
}

}  // namespace

RowsDigest& RowsDigest::operator+=(const RowsDigest& other) {
  rows += other.rows;
  for (std::size_t i = 0; i < sums.size(); ++i) sums[i] = (sums[i] + other.sums[i]) % kModulus;
  return *this;
}

Result<DigestedTable> DigestedTable::of(postgres::Connection& connection, const Table& table) {
  DigestedTable digested(table);
  CAIRN_TRY(const postgres::Rows rows,
            connection.query("SELECT a.attname::text, t.typname::text FROM pg_attribute a JOIN pg_type t ON t.oid = "
                             "a.atttypid WHERE a.attrelid = 'cairn." +
                             std::string(table.name) + "'::regclass AND a.attnum > 0 AND NOT a.attisdropped"));
  std::map<std::string, std::string> types;
  for (std::size_t i = 0; i < rows.size(); ++i) {
    CellReader row = rows.row(i);
    const std::string name = row.raw();
    types[name] = row.raw();
    CAIRN_CHECK(row.check());
  }
  for (const std::string_view column : table.columns) {
    const auto type = types.find(std::string(column));
    if (type == types.end()) {
      return make_error(ErrorCode::unsupported,
                        "cairn." + std::string(table.name) + " has no column " + std::string(column));
    }
    digested.types_.push_back(type->second);
  }
  return digested;
}

std::size_t DigestedTable::bucket_of(std::string_view key) {
  const postgres::Bytes digest = postgres::sha256(key);
  return number_in(std::span(digest).first(2)) >> 4;
}

Result<RowsDigest> DigestedTable::digest_of(std::string_view rows) const {
  RowsDigest all;
  std::string bytes;
  while (!rows.empty()) {
    const std::vector<Cell> cells = take_row(rows);
    bytes.clear();
    for (std::size_t i = 0; i < cells.size(); ++i) {
      const std::string_view column = table_->columns[i];
      if (derived(column) != nullptr) {
        append_cell(bytes, std::string_view(cells[i] ? "\1" : "\0", 1));
      } else if (types_[i] == "jsonb" && cells[i]) {
        CAIRN_TRY(const std::string members, members_of(column, *cells[i]));
        append_digest(bytes, members);
      } else if (is_digested(types_[i]) && cells[i]) {
        append_digest(bytes, *cells[i]);
      } else {
        append_cell(bytes, cells[i]);
      }
    }
    const postgres::Bytes digest = postgres::sha256(bytes);
    const auto part = [&](std::size_t from) { return number_in(std::span(digest).subspan(from, 7)); };
    all += RowsDigest{.rows = 1, .sums = {part(0), part(7)}};
  }
  return all;
}

std::string DigestedTable::name_of(std::string_view rows) const {
  if (rows.empty()) return {};
  const std::vector<Cell> cells = take_row(rows);
  std::string name;
  for (const std::string_view column : names_in(*table_)) {
    const auto at = static_cast<std::size_t>(std::ranges::find(table_->columns, column) - table_->columns.begin());
    const std::string_view cell = cells[at].value_or(std::string_view());
    if (!name.empty()) name += "/";
    if (types_[at] == "int8") {
      name += std::to_string(static_cast<std::int64_t>(number_in(cell)));
    } else {
      name += types_[at] == "bytea" ? mirror::hex(std::as_bytes(std::span(cell))) : std::string(cell);
    }
  }
  return name;
}

std::string DigestedTable::cells_in_sql(std::size_t columns) const {
  std::string text;
  for (std::size_t i = 0; i < columns; ++i) {
    text += (i > 0 ? " || " : "") + cell_in_sql(table_->columns[i], types_[i]);
  }
  return text;
}

std::string DigestedTable::name_in_sql() const {
  std::string text;
  for (const std::string_view column : names_in(*table_)) {
    const auto at = static_cast<std::size_t>(std::ranges::find(table_->columns, column) - table_->columns.begin());
    const std::string name(column);
    if (!text.empty()) text += " || '/' || ";
    text += types_[at] == "bytea" ? "encode(" + name + ", 'hex')" : name + "::text";
  }
  return text;
}

std::string DigestedTable::sums_in_sql() const {
  std::string text = "count(*)::int8";
  for (const char* const from : {"1", "8"}) {
    text += ", (sum(('x' || encode(substr(h, " + std::string(from) + ", 7), 'hex'))::bit(56)::int8) % " +
            std::to_string(RowsDigest::kModulus) + ")::int8";
  }
  return text;
}

Result<DigestedTable::Buckets> DigestedTable::read_buckets(postgres::Connection& connection,
                                                           const postgres::Uuid& store) const {
  const std::string sql =
      "SELECT " + kBucketInSql + ", " + sums_in_sql() + " FROM " +
      once("SELECT sha256(" + cells_in_sql(table_->group) + ") AS d, sha256(" + cells_in_sql(table_->columns.size()) +
           ") AS h FROM cairn." + std::string(table_->name) + " WHERE store = $1") +
      " GROUP BY 1";
  CAIRN_TRY(const postgres::Rows rows, connection.query(sql, cell_of(store)));
  Buckets buckets;
  for (std::size_t i = 0; i < rows.size(); ++i) {
    CellReader row = rows.row(i);
    const std::size_t bucket = row.count();
    buckets[bucket] = digest_in(row);
    CAIRN_CHECK(row.check());
  }
  return buckets;
}

Result<DigestedTable::Groups> DigestedTable::read_groups(postgres::Connection& connection, const postgres::Uuid& store,
                                                         const std::vector<std::int64_t>& buckets) const {
  // Of the rows in the buckets alone the rest is computed.
  const std::string keys = once("SELECT *, " + cells_in_sql(table_->group) + " AS k FROM cairn." +
                                std::string(table_->name) + " WHERE store = $1");
  const std::string chosen = once("SELECT *, sha256(k) AS d FROM " + keys);
  const std::string rows_in_sql =
      once("SELECT k, " + name_in_sql() + " AS n, sha256(" + cells_in_sql(table_->columns.size()) + ") AS h FROM " +
           chosen + " WHERE " + kBucketInSql + " = ANY($2)");
  const std::string sql = "SELECT k, min(n), " + sums_in_sql() + " FROM " + rows_in_sql + " GROUP BY k";
  CellWriter values = cell_of(store);
  values.int8s(buckets);
  CAIRN_TRY(const postgres::Rows rows, connection.query(sql, values));
  Groups groups;
  for (std::size_t i = 0; i < rows.size(); ++i) {
    CellReader row = rows.row(i);
    const std::string key = row.raw();
    Group& group = groups[key];
    group.name = row.raw();
    group.digest = digest_in(row);
    CAIRN_CHECK(row.check());
  }
  return groups;
}

Result<std::vector<std::string>> DigestedTable::read_wrong_json(postgres::Connection& connection,
                                                                const postgres::Uuid& store, std::size_t limit) const {
  std::string wrong;
  for (std::size_t i = 0; i < types_.size(); ++i) {
    const Derived* const found = derived(table_->columns[i]);
    if (found == nullptr) continue;
    const std::string json(found->json);
    wrong.append(wrong.empty() ? "" : " OR ").append("CASE WHEN ").append(json).append(" IS NULL THEN false ELSE ");
    wrong.append(json).append(" <> convert_from(").append(found->of).append("::bytea, 'UTF8')::jsonb END");
  }
  std::vector<std::string> names;
  if (wrong.empty()) return names;
  CellWriter values = cell_of(store);
  values.count(limit);
  CAIRN_TRY(const postgres::Rows rows,
            connection.query("SELECT " + name_in_sql() + " FROM cairn." + std::string(table_->name) +
                                 " WHERE store = $1 AND (" + wrong + ") ORDER BY 1 LIMIT $2",
                             values));
  for (std::size_t i = 0; i < rows.size(); ++i) {
    CellReader row = rows.row(i);
    names.push_back(row.raw());
    CAIRN_CHECK(row.check());
  }
  return names;
}

}  // namespace cairn
#endif
