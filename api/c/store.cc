// SPDX-License-Identifier: Apache-2.0
//
// Stores and archives of the C interface.
#include <string>
#include <vector>

#include "api/c/handle.h"

using namespace cairn;  // NOLINT(google-build-using-namespace)
using cairn::c::call;
using cairn::c::need;

namespace {

constexpr cairn_open_options kOpenDefaults = CAIRN_OPEN_OPTIONS_INIT;

Result<StoreOptions> store_options(const cairn_open_options* given) {
  CAIRN_TRY(const cairn_open_options options, c::options_of(given, kOpenDefaults));
  StoreOptions out;
  if (options.mode < CAIRN_OPEN_EXISTING || options.mode > CAIRN_OPEN_EXCLUSIVE) return c::wrong("no such open mode");
  out.mode = static_cast<OpenMode>(options.mode);
  out.access = options.read_only != 0 ? Access::read_only : Access::read_write;
  out.threads = options.threads;
  if (options.writer_bytes > 0) out.writer.budget_bytes = options.writer_bytes;
  out.disk_budget_bytes = options.disk_budget_bytes;
  if (options.reclaims != 0) out.reclaim.emplace();
  out.read_through = c::text_of(options.read_through);
  return out;
}

}  // namespace

extern "C" {

cairn_code cairn_open(const char* path, const cairn_open_options* options, cairn_store** store) {
  return call([&]() -> Status {
    CAIRN_CHECK(need(path, "the path"));
    CAIRN_CHECK(need(store, "the place for the store"));
    CAIRN_TRY(const StoreOptions how, store_options(options));
    CAIRN_TRY(Store opened, Store::open(path, how));
    *store = new cairn_store{std::move(opened)};
    return {};
  });
}

cairn_code cairn_close(cairn_store* store) {
  if (store == nullptr) return CAIRN_OK;
  const cairn_code status = call([&] { return store->store.close(); });
  delete store;
  return status;
}

cairn_code cairn_sync(cairn_store* store) {
  return call([&]() -> Status {
    CAIRN_CHECK(need(store, "the store"));
    return store->store.sync();
  });
}

cairn_code cairn_gc(cairn_store* store, uint64_t* freed_bytes) {
  return call([&]() -> Status {
    CAIRN_CHECK(need(store, "the store"));
    CAIRN_TRY(const GcReport report, store->store.gc());
    if (freed_bytes != nullptr) *freed_bytes = report.freed_bytes;
    return {};
  });
}

cairn_code cairn_check(cairn_store* store, int read_data, uint64_t* damaged) {
  return call([&]() -> Status {
    CAIRN_CHECK(need(store, "the store"));
    CAIRN_TRY(const CheckReport report, store->store.check({.read_data = read_data != 0}));
    if (damaged != nullptr) *damaged = report.damaged.size();
    if (report.damaged.empty()) return {};
    return Error{.code = ErrorCode::corruption, .message = report.damaged.front().what};
  });
}

cairn_code cairn_metrics_text(cairn_store* store, char** text) {
  return call([&]() -> Status {
    CAIRN_CHECK(need(store, "the store"));
    CAIRN_CHECK(need(text, "the place for the text"));
    *text = c::copy_of(store->store.metrics_text());
    return {};
  });
}

cairn_code cairn_add(cairn_store* store, const char* const* paths, size_t path_count, const char* name,
                     uint64_t* version) {
  return call([&]() -> Status {
    CAIRN_CHECK(need(store, "the store"));
    CAIRN_CHECK(need(name, "the name"));
    std::vector<std::string> all;
    for (size_t i = 0; i < path_count; ++i) {
      CAIRN_CHECK(need(paths, "the list of paths"));
      CAIRN_CHECK(need(paths[i], "a path"));
      all.emplace_back(paths[i]);
    }
    CAIRN_TRY(const auto added, store->store.archive().add(all, {.name = name}));
    if (version != nullptr) *version = added.version;
    return {};
  });
}

cairn_code cairn_restore(cairn_store* store, const char* ref, const char* to) {
  return call([&]() -> Status {
    CAIRN_CHECK(need(store, "the store"));
    CAIRN_CHECK(need(ref, "the name"));
    CAIRN_CHECK(need(to, "the folder"));
    CAIRN_TRY(const auto restored, store->store.archive().restore(ref, {.to = to}));
    static_cast<void>(restored);
    return {};
  });
}

}  // extern "C"
