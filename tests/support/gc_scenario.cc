// SPDX-License-Identifier: Apache-2.0
#include "tests/support/gc_scenario.h"

#include <algorithm>

namespace cairn::testing {
namespace {

constexpr std::size_t kValues = 36;

StoreOptions options() { return {.threads = 2, .writer = {.budget_bytes = 8 << 20}}; }

}  // namespace

Status remove_version(StoreImpl& store, const std::string& name, std::uint64_t version) {
  CAIRN_TRY(const StoreImpl::Writing writing, store.begin_writing());
  BlockSink sink({.digest = store.header().digest, .block_bytes = store.header().block_bytes}, store.index(),
                 *writing.log, store.parts());
  CAIRN_CHECK(sink.write_ref({.name = name, .version = version, .removed = true}));
  return sink.commit();
}

std::string wrong_with_counts(Store& store) {
  const auto report = store.check({.read_data = true});
  if (!report.ok()) return "check: " + report.error().message;
  return report->damaged.empty() ? std::string() : "check found " + report->damaged.front().what;
}

GcScenario::GcScenario() {
  const std::string shared = bf16_weights(60'000, 51);
  write_file(inputs_ / "a/first.safetensors", safetensors_of({{"one", bf16_weights(70'000, 52)}, {"shared", shared}}));
  write_file(inputs_ / "a/empty", "");
  write_file(inputs_ / "b/second.safetensors", safetensors_of({{"two", bf16_weights(90'000, 53)}, {"shared", shared}}));
  write_file(inputs_ / "b/opaque", random_bytes(300'000, 54));
  write_file(inputs_ / "c/opaque", random_bytes(200'000, 55));
}

void GcScenario::prepare(FileSystem& fs, const std::string& path) {
  ASSERT_TRUE(StoreImpl::create(fs, path, kSmallStore).ok());
  auto opened = StoreImpl::open(fs, path, options(), {});
  ASSERT_TRUE(opened.ok()) << opened.error().message;
  StoreImpl& impl = **opened;
  Store store = StoreImpl::handle(std::move(opened).value());
  std::vector<std::string> ids;
  for (std::size_t i = 0; i < kValues; ++i) {
    const std::string content = i % 3 == 0 ? random_bytes(900 + i, i) : random_bytes(30'000 + 5'000 * i, i);
    std::vector<Put> puts;
    puts.push_back({.bytes = std::as_bytes(std::span(content)), .name = std::to_string(i)});
    const std::string second = "beside " + std::to_string(i);
    if (i % 6 == 0) puts.push_back({.bytes = std::as_bytes(std::span(second)), .name = "group"});
    if (i % 4 == 1) puts.back().tensor = TensorLayout{.dtype = DType::u8, .shape = {content.size()}};
    const auto put = store.put_many(std::move(puts));
    ASSERT_TRUE(put.ok()) << put.error().message;
    values_[put->front()] = content;
    ids.push_back(put->front());
    if (put->size() > 1) values_[put->back()] = second;
    if (i % 12 == 4) {
      const std::string folder(1, static_cast<char>('a' + i / 12));
      const std::string name = i < 24 ? "model" : "other";
      const auto added = store.archive().add({inputs_ / folder}, {.name = name});
      ASSERT_TRUE(added.ok()) << added.error().message;
      const std::string ref = name + "@" + std::to_string(added->version);
      const auto files = read_version(store, ref);
      ASSERT_TRUE(files.ok());
      versions_[ref] = *files;
    }
  }
  for (std::size_t i = 0; i < kValues; i += 2) {
    const auto removed = store.remove(ids[i]);
    ASSERT_TRUE(removed.ok() && *removed);
    values_.erase(ids[i]);
    removed_.insert(ids[i]);
  }
  ASSERT_TRUE(remove_version(impl, "model", 1).ok());
  versions_.erase("model@1");
  removed_versions_.insert("model@1");
  // One comes back: its tombstone must not outlive it.
  const std::string again = random_bytes(900, 0);
  const auto id = store.put({.bytes = std::as_bytes(std::span(again)), .name = "again"});
  ASSERT_TRUE(id.ok());
  values_[*id] = again;
  removed_.erase(*id);
  ASSERT_EQ(wrong_with_counts(store), "");
  const auto stats = store.stats();
  ASSERT_TRUE(stats.ok());
  ASSERT_GT(stats->dead_bytes, stats->log_bytes / 4);
  ASSERT_GT(stats->segments, 3u);
  ASSERT_TRUE(store.close().ok());
}

Status GcScenario::run(FileSystem& fs, const std::string& path) {
  CAIRN_TRY(auto impl, StoreImpl::open(fs, path, options(), {}));
  Store store = StoreImpl::handle(std::move(impl));
  CAIRN_TRY(const GcReport report, store.gc({.max_dead = 0}));
  for (const std::string& damaged : report.damaged) return Error{.code = ErrorCode::corruption, .message = damaged};
  return store.close();
}

std::string GcScenario::compare(Store& store) {
  for (const auto& [id, content] : values_) {
    const auto found = store.get(id);
    if (!found.ok()) return id + ": " + found.error().message;
    if (!std::ranges::equal(*found, std::as_bytes(std::span(content)))) return id + " has other content";
  }
  for (const std::string& id : removed_) {
    const auto found = store.contains(id);
    if (!found.ok() || *found) return id + " was removed, and is back";
  }
  for (const auto& [ref, files] : versions_) {
    const auto found = read_version(store, ref);
    if (!found.ok()) return ref + ": " + found.error().message;
    if (*found != files) return ref + " has other files";
  }
  for (const std::string& ref : removed_versions_) {
    if (store.archive().entries(ref).ok()) return ref + " was removed, and is back";
  }
  return wrong_with_counts(store);
}

std::string GcScenario::look(FileSystem& fs, const std::string& path, Access access) {
  auto impl = StoreImpl::open(fs, path, {.access = access, .threads = 2, .writer = options().writer}, {});
  if (!impl.ok()) return "open: " + impl.error().message;
  for (const std::string& place : (*impl)->info().recovery.damage) return "recovery found damage: " + place;
  Store store = StoreImpl::handle(std::move(impl).value());
  if (std::string wrong = compare(store); !wrong.empty()) return wrong;
  const Status closed = store.close();
  return closed.ok() ? std::string() : "close: " + closed.error().message;
}

std::string GcScenario::what_is_wrong(FileSystem& fs, const std::string& path) {
  const auto look = [&](const std::string& when, bool reclaim) -> std::string {
    auto impl = StoreImpl::open(fs, path, options(), {});
    if (!impl.ok()) return when + "open: " + impl.error().message;
    for (const std::string& place : (*impl)->info().recovery.damage) return when + "recovery found damage: " + place;
    Store store = StoreImpl::handle(std::move(impl).value());
    if (const std::string wrong = compare(store); !wrong.empty()) return when + wrong;
    if (reclaim) {
      const auto report = store.gc({.max_dead = 0});
      if (!report.ok()) return when + "gc: " + report.error().message;
      if (!report->damaged.empty()) return when + "gc: " + report->damaged.front();
      if (report->dead_bytes > 0) return when + "gc leaves " + std::to_string(report->dead_bytes) + " dead bytes";
      if (const std::string wrong = compare(store); !wrong.empty()) return when + "after gc: " + wrong;
    }
    const Status closed = store.close();
    return closed.ok() ? std::string() : when + "close: " + closed.error().message;
  };
  const auto rebuild = [&] {
    const Status gone = Index::destroy(fs, StoreLayout(path).index());
    return gone.ok() ? std::string() : "destroying the index: " + gone.error().message;
  };
  // What the log says by itself, both of what the fault left and of what is reclaimed then.
  const auto copy = [&](const char* when, bool lose_index, bool reclaim) {
    std::string wrong = lose_index ? rebuild() : std::string();
    return wrong.empty() ? look(when, reclaim) : wrong;
  };
  if (std::string wrong = copy("", false, false); !wrong.empty()) return wrong;
  if (std::string wrong = copy("rebuilt: ", true, false); !wrong.empty()) return wrong;
  if (std::string wrong = copy("going on: ", false, true); !wrong.empty()) return wrong;
  if (std::string wrong = copy("in the end: ", false, false); !wrong.empty()) return wrong;
  return copy("rebuilt in the end: ", true, false);
}

}  // namespace cairn::testing
