// SPDX-License-Identifier: Apache-2.0
//
// Results: small values under keys that a program computes from its inputs, so that what was
// computed once is found again. They are as durable as weights, in the same log.
//
// A value says how its bytes are to be read (its serializer). Nothing is ever executed to read
// one, and what nobody registered is an error.
#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "cairn/objects.h"
#include "cairn/result.h"
#include "cairn/ticket.h"

// A shared library shows what is declared from here on.
#pragma GCC visibility push(default)
namespace cairn {

struct ResultValue {
  // "bytes"; "json": UTF-8 text (RFC 8259), checked; "tensor": `tensor` says which, row-major; or
  // one that was registered with Results::register_serializer().
  std::string serializer = "bytes";
  std::vector<std::byte> bytes;
  std::optional<TensorLayout> tensor = {};  // of "tensor" alone; without strides

  static ResultValue json(std::string_view text);
  // The bytes of a "json" value, or of any other that is text.
  std::string_view text() const { return {reinterpret_cast<const char*>(bytes.data()), bytes.size()}; }
  friend bool operator==(const ResultValue& a, const ResultValue& b) {
    return a.serializer == b.serializer && a.bytes == b.bytes && a.tensor.has_value() == b.tensor.has_value() &&
           (!a.tensor || (a.tensor->dtype == b.tensor->dtype && a.tensor->shape == b.tensor->shape));
  }
};

struct ResultOptions {
  // It is gone when so much time has passed for the store: while a machine runs that has
  // opened it, by a clock that nobody can set. Nothing: it stays.
  std::optional<std::chrono::nanoseconds> ttl = {};
  std::string experiment = {};  // for remove_experiment(); may be empty
  // The time that computing it took, above 0: evict() may remove it. Nothing: never.
  std::optional<std::chrono::nanoseconds> cost = {};
  // ErrorCode::conflict unless the value has this version (0: unless there is none).
  std::optional<std::uint64_t> if_version = {};
  OnFull on_full = OnFull::block;
  Durability durability = Durability::grouped;
  // Is kept in the memory of this process and never written: gone when the store is closed, or as
  // soon as others need its room (half of StoreOptions::memory_cache_bytes). What a key has last
  // been put is the only value it has: one that it had on the disk is removed there, and the ticket
  // is of that removal: when it fails, the old one is there as before. Such a value may be larger
  // than 64 MiB. Everything finds it that finds others; its reads are not counted.
  bool memory_only = false;
};

struct ResultInfo {
  std::string key;
  std::uint64_t version = 0;  // higher with each put of any value
  std::string serializer;
  std::optional<TensorLayout> tensor;
  std::uint64_t bytes = 0;
  std::string experiment;
  bool memory_only = false;     // ResultOptions::memory_only
  std::int64_t created_ns = 0;  // since the Unix epoch, by the clock of the machine: for people
  // Of get() and get_many(), kept in memory and written now and then: what a crash takes away is
  // never a value. Where tens of thousands of results are read one after the other faster than counts
  // can be written, some of their reads are not counted.
  std::int64_t accessed_ns = 0;  // 0: never
  std::uint64_t access_count = 0;
  std::optional<std::chrono::nanoseconds> time_left;  // nothing: it stays
  std::optional<std::chrono::nanoseconds> cost;       // nothing: it is never evicted
};

struct ResultPage {
  std::vector<ResultInfo> results;  // by key, bytewise
  std::string next;                 // the cursor for the page behind; empty: this was the last
};

struct ResultCounters {
  std::uint64_t puts = 0, hits = 0, misses = 0, removed = 0, expired = 0, evicted = 0;
  // Of what was read, from the memory tier: the others were read from the index.
  std::uint64_t memory_hits = 0, memory_misses = 0, memory_bytes = 0, memory_entries = 0;
  // Of values that are in memory only; they are among the memory_hits.
  std::uint64_t memory_only_bytes = 0, memory_only_entries = 0, memory_only_evicted = 0;

  double hit_rate() const {
    return hits + misses == 0 ? 0 : static_cast<double>(hits) / static_cast<double>(hits + misses);
  }
};

struct EvictOptions {
  // What the results that have a cost may take on the disk, in all namespaces: of their values and
  // keys, before compression. Up to that nothing is evicted.
  std::uint64_t budget_bytes = 0;
  // Otherwise as many as it takes to come down to this; nothing: nine tenths of the budget.
  std::optional<std::uint64_t> low_water_bytes = {};
};

struct EvictReport {
  std::uint64_t evicted = 0, evicted_bytes = 0;
  std::uint64_t bytes = 0;  // that are left of the results that have a cost
};

class StoreImpl;

// Of one namespace. Borrows its Store; any number of threads. Once that is closed, every call fails. A key is 1 to
// 2,048 bytes, a value at most 64 MiB, and as much is put at once: what is larger is an object
// (Store::put_async), whose id is the result.
class Results {
 public:
  // Accepted when it returns: this process reads it from then on. The ticket tells when it
  // survives power loss. A value takes the place of the one before it.
  Result<Ticket> put_async(const std::string& key, ResultValue value, const ResultOptions& options = {});
  // The same, and waits for that. The version that it has.
  Result<std::uint64_t> put(const std::string& key, ResultValue value, const ResultOptions& options = {});
  // All of them or, after a crash or an error, none.
  Result<Ticket> put_many_async(std::vector<std::pair<std::string, ResultValue>> values,
                                const ResultOptions& options = {});

  // Nothing when it is not there, or its time is over. ErrorCode::unsupported when its
  // serializer is not known here; corruption when its bytes are not what that writes. One that is not here is
  // looked for in the database that the store is read through (StoreOptions::read_through), here and in get_many(),
  // and kept with what is left of its time; a database that does not answer soon has none.
  Result<std::optional<ResultValue>> get(const std::string& key);
  // Those that are there.
  Result<std::map<std::string, ResultValue>> get_many(const std::vector<std::string>& keys);
  Result<bool> has(const std::string& key);
  // Without its bytes, and no access of it.
  Result<std::optional<ResultInfo>> info(const std::string& key);
  // At most `limit` results whose key matches `glob` (* and ?), behind `cursor`.
  Result<ResultPage> list(const std::string& cursor = {}, std::size_t limit = 1000, const std::string& glob = "*");

  // Whether it was there. Durable when it returns, here and below.
  Result<bool> remove(const std::string& key);
  // How many there were.
  Result<std::uint64_t> remove_matching(const std::string& glob);
  Result<std::uint64_t> remove_experiment(const std::string& experiment);
  Result<std::uint64_t> clear();
  // Those whose time is over, in every namespace: gc() does so too.
  Result<std::uint64_t> remove_expired();
  // Removes what is worth least until the others fit: GreedyDual-Size-Frequency (Cherkasova 1998),
  // which weighs the cost and the reads of a result against its bytes, and forgets reads of long
  // ago as others are evicted. Only what has a cost, in every namespace, and what expired first.
  // Nothing runs it but a call; what it gives up is dead, and its space comes back with gc(). One
  // pass over the index keys of these results; after a failure or a crash, some are removed and
  // the others whole. What is put again meanwhile stays.
  Result<EvictReport> evict(const EvictOptions& options);

  // Adds to a number, which begins at 0, and returns the sum. A "json" value for everybody else.
  // ErrorCode::invalid_argument when the value is something else, or the sum leaves 64 bits.
  Result<std::int64_t> add(const std::string& key, std::int64_t by);

  // For the whole store, as long as it is open. `check` is asked before a value is written and
  // after it was read; it may be called on any thread. Taken names and "pickle" are refused.
  Status register_serializer(const std::string& name, std::function<Status(std::span<const std::byte>)> check = {});
  ResultCounters counters() const;  // of all namespaces, since the store was opened

 private:
  friend class StoreImpl;
  friend class Store;
  Results(StoreImpl& store, std::string name_space) : store_(&store), name_space_(std::move(name_space)) {}
  StoreImpl* store_;
  std::string name_space_;
};

}  // namespace cairn
#pragma GCC visibility pop
