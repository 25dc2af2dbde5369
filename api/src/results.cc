// SPDX-License-Identifier: Apache-2.0
#include "cairn/results.h"

#include "api/src/read_through.h"
#include "api/src/tables.h"
#include "cairn/store.h"

namespace cairn {

namespace {

// Here, or brought from a mirror.
Result<std::optional<ResultValue>> get_through(StoreImpl& store, ResultTable& results, const std::string& name_space,
                                               const std::string& key) {
  CAIRN_TRY(auto here, results.get(name_space, key));
  if (here || store.read_through() == nullptr || store.read_through()->results() == nullptr) return here;
  if (!store.read_through()->results()->bring(name_space, key)) return here;
  return results.get(name_space, key);
}

}  // namespace

Results Store::results(const std::string& name_space) { return {*impl_, name_space}; }

Result<Ticket> Results::put_many_async(std::vector<std::pair<std::string, ResultValue>> values,
                                       const ResultOptions& options) {
  CAIRN_TRY(StoreImpl::Tables * tables, store_->tables());
  CAIRN_TRY(auto written, tables->results.put(name_space_, std::move(values), options));
  return std::move(written.ticket);
}

Result<Ticket> Results::put_async(const std::string& key, ResultValue value, const ResultOptions& options) {
  ResultTable::Values one;
  one.emplace_back(key, std::move(value));
  return put_many_async(std::move(one), options);
}

Result<std::uint64_t> Results::put(const std::string& key, ResultValue value, const ResultOptions& options) {
  CAIRN_TRY(StoreImpl::Tables * tables, store_->tables());
  ResultTable::Values one;
  one.emplace_back(key, std::move(value));
  CAIRN_TRY(const auto written, tables->results.commit(name_space_, std::move(one), options));
  return written.version;
}

Result<std::optional<ResultValue>> Results::get(const std::string& key) {
  CAIRN_TRY(StoreImpl::Tables * tables, store_->tables());
  return get_through(*store_, tables->results, name_space_, key);
}

Result<std::map<std::string, ResultValue>> Results::get_many(const std::vector<std::string>& keys) {
  CAIRN_TRY(StoreImpl::Tables * tables, store_->tables());
  std::map<std::string, ResultValue> found;
  for (const std::string& key : keys) {
    CAIRN_TRY(auto value, get_through(*store_, tables->results, name_space_, key));
    if (value) found.insert_or_assign(key, std::move(*value));
  }
  return found;
}

Result<bool> Results::has(const std::string& key) {
  CAIRN_TRY(StoreImpl::Tables * tables, store_->tables());
  return tables->results.has(name_space_, key);
}

Result<std::optional<ResultInfo>> Results::info(const std::string& key) {
  CAIRN_TRY(StoreImpl::Tables * tables, store_->tables());
  return tables->results.info(name_space_, key);
}

Result<ResultPage> Results::list(const std::string& cursor, std::size_t limit, const std::string& glob) {
  CAIRN_TRY(StoreImpl::Tables * tables, store_->tables());
  return tables->results.list(name_space_, cursor, limit, glob);
}

Result<bool> Results::remove(const std::string& key) {
  CAIRN_TRY(StoreImpl::Tables * tables, store_->tables());
  CAIRN_TRY(const std::uint64_t removed, tables->results.remove(name_space_, key));
  return removed > 0;
}

Result<std::uint64_t> Results::remove_matching(const std::string& glob) {
  CAIRN_TRY(StoreImpl::Tables * tables, store_->tables());
  return tables->results.remove_matching(name_space_, glob);
}

Result<std::uint64_t> Results::remove_experiment(const std::string& experiment) {
  CAIRN_TRY(StoreImpl::Tables * tables, store_->tables());
  return tables->results.remove_experiment(name_space_, experiment);
}

Result<std::uint64_t> Results::clear() { return remove_matching("*"); }

Result<std::uint64_t> Results::remove_expired() {
  CAIRN_TRY(StoreImpl::Tables * tables, store_->tables());
  return tables->results.remove_expired();
}

Result<EvictReport> Results::evict(const EvictOptions& options) {
  CAIRN_TRY(StoreImpl::Tables * tables, store_->tables());
  return tables->results.evict(options);
}

Result<std::int64_t> Results::add(const std::string& key, std::int64_t by) {
  CAIRN_TRY(StoreImpl::Tables * tables, store_->tables());
  return tables->results.add(name_space_, key, by);
}

Status Results::register_serializer(const std::string& name, std::function<Status(std::span<const std::byte>)> check) {
  CAIRN_TRY(StoreImpl::Tables * tables, store_->tables());
  return tables->results.register_serializer(name, std::move(check));
}

ResultCounters Results::counters() const {
  const auto tables = store_->tables();
  if (!tables.ok()) return {};
  ResultCounters counters = (*tables)->results.counters();
  const LogEntryStore::Stats stats = (*tables)->entries.stats();
  const EntryCacheStats& memory = stats.cache;
  counters.memory_hits = memory.hits + stats.memory_only.hits;
  counters.memory_misses = memory.misses;
  counters.memory_bytes = memory.bytes;
  counters.memory_entries = memory.entries;
  counters.memory_only_bytes = stats.memory_only.bytes;
  counters.memory_only_entries = stats.memory_only.entries;
  counters.memory_only_evicted = stats.memory_only.evicted;
  return counters;
}

}  // namespace cairn
