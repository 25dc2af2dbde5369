// SPDX-License-Identifier: Apache-2.0
//
// A mirror of many small objects: how many requests each verb sends, and how long it takes.
//
//   wire_small_objects ENDPOINT FOLDER [OBJECTS [BYTES]]
//
// Puts that many named objects of random bytes (100,000 of 1 KiB), and one version of a small file, into a store in
// FOLDER, which is not there yet; mirrors it to the bucket cairn-small, and asks for everything that a user would.
// Expected: packs hold 65,536 records at most and journals 8 MiB, so that a push of 100,000 is some ten requests, and
// what costs is what the store itself needs for each object.
#include <unistd.h>

#include <array>
#include <atomic>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <ctime>
#include <filesystem>
#include <fstream>
#include <random>
#include <string>

#include "api/src/mirror_formats.h"
#include "api/src/mirror_source.h"
#include "api/src/mirroring.h"
#include "cairn/archive.h"
#include "cairn/objects.h"
#include "replication/push.h"
#include "replication/s3/open_storage.h"
#include "replication/verify.h"

namespace cairn {
namespace {

// Counts the calls. One request each, but of those that are tried again.
class CountingStorage final : public ObjectStorage {
 public:
  explicit CountingStorage(ObjectStorage& storage) : storage_(storage) {}

  Status put(std::string_view key, Parts parts) override { return ++puts, storage_.put(key, parts); }
  Result<bool> put_if_absent(std::string_view key, Parts parts) override {
    return ++puts, storage_.put_if_absent(key, parts);
  }
  Result<std::optional<std::vector<std::byte>>> get(std::string_view key, std::uint64_t bytes_max) override {
    return ++gets, storage_.get(key, bytes_max);
  }
  Result<std::optional<std::vector<std::byte>>> get_range(std::string_view key, const Range& range) override {
    return ++gets, storage_.get_range(key, range);
  }
  Result<std::optional<std::uint64_t>> size_of(std::string_view key) override { return ++gets, storage_.size_of(key); }
  Result<std::vector<Listed>> list(std::string_view prefix, std::string_view after) override {
    return ++lists, storage_.list(prefix, after);
  }
  Result<std::vector<NotRemoved>> remove(const std::vector<std::string>& keys) override {
    return ++removes, storage_.remove(keys);
  }

  std::atomic<unsigned> puts = 0, gets = 0, lists = 0, removes = 0;

 private:
  ObjectStorage& storage_;
};

double cpu_seconds() {
  timespec time{};
  ::clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &time);
  return static_cast<double>(time.tv_sec) + static_cast<double>(time.tv_nsec) / 1e9;
}

template <class Do>
Status measure(const char* what, CountingStorage& storage, const Do& act) {
  storage.puts = storage.gets = storage.lists = storage.removes = 0;
  const double cpu = cpu_seconds();
  const auto began = std::chrono::steady_clock::now();
  CAIRN_TRY(const std::string found, act());
  const std::chrono::duration<double> seconds = std::chrono::steady_clock::now() - began;
  std::printf("| %s | %.2f | %.2f | %u | %u | %u | %u | %s |\n", what, seconds.count(), cpu_seconds() - cpu,
              storage.puts.load(), storage.gets.load(), storage.lists.load(), storage.removes.load(), found.c_str());
  std::fflush(stdout);
  return {};
}

Status fill(Store& store, const std::string& file, std::size_t objects, std::size_t bytes) {
  std::ofstream(file) << "one file among many objects";
  CAIRN_TRY(const auto added, store.archive().add({file}, {.name = "model"}));
  static_cast<void>(added);
  std::mt19937_64 random(1);
  constexpr std::size_t kAtOnce = 1000;
  std::vector<std::byte> content(kAtOnce * bytes);
  for (std::size_t begin = 0; begin < objects; begin += kAtOnce) {
    for (std::byte& byte : content) byte = static_cast<std::byte>(random());
    std::vector<Put> puts;
    for (std::size_t i = begin; i < std::min(begin + kAtOnce, objects); ++i) {
      puts.push_back(
          {.bytes = std::span(content).subspan((i - begin) * bytes, bytes), .name = "object-" + std::to_string(i)});
    }
    CAIRN_TRY(const auto ids, store.put_many(std::move(puts)));
    static_cast<void>(ids);
  }
  return store.sync();
}

Result<std::string> push(StoreImpl& store, ObjectStorage& storage) {
  MirrorSource source(store);
  const MirrorFormats formats(store.header().digest);
  CAIRN_TRY(const auto report, mirror::Pusher(source, storage, formats, {}).push());
  return std::to_string(report.statements) + " statements, " + std::to_string(report.records) + " records, " +
         std::to_string(report.sent_bytes) + " bytes";
}

Status run(const std::string& endpoint, const std::string& folder, std::size_t objects, std::size_t bytes) {
  CAIRN_TRY(const auto remote,
            s3::open_storage({.url = "s3://cairn-small/mirror", .endpoint = endpoint, .create_bucket = true}));
  CountingStorage storage(*remote);
  std::filesystem::create_directories(folder);
  const std::string path = folder + "/store";
  CAIRN_CHECK(StoreImpl::create(posix_file_system(), path, {}));
  CAIRN_TRY(auto opened, StoreImpl::open(posix_file_system(), path, {}, {}));
  StoreImpl& impl = *opened;
  Store store = StoreImpl::handle(std::move(opened));
  std::printf(
      "%zu objects of %zu bytes\n\n| what | seconds | CPU-s | puts | gets | lists | removes | |\n"
      "|---|---|---|---|---|---|---|---|\n",
      objects, bytes);
  const auto put_all = [&]() -> Result<std::string> {
    CAIRN_CHECK(fill(store, folder + "/model.bin", objects, bytes));
    return std::string();
  };
  CAIRN_CHECK(measure("put into the store", storage, put_all));
  CAIRN_CHECK(measure("push", storage, [&] { return push(impl, storage); }));
  CAIRN_CHECK(measure("push of nothing", storage, [&] { return push(impl, storage); }));
  const std::string one = "one more";
  CAIRN_TRY(const auto id, store.put({.bytes = std::as_bytes(std::span(one)), .name = "last"}));
  CAIRN_CHECK(measure("push of one more", storage, [&] { return push(impl, storage); }));
  const auto look = [&]() -> Result<std::string> {
    MirrorView view(storage, impl.header().digest, {}, 8);
    CAIRN_CHECK(view.refresh());
    CAIRN_TRY(const auto packs, mirror::list_all(storage, mirror::kPacksPrefix));
    return std::to_string(view.stores().begin()->second.refs.size()) + " names, " + std::to_string(packs.size()) +
           " packs";
  };
  CAIRN_CHECK(measure("status: what the mirror has", storage, look));
  const auto pull_one = [&]() -> Result<std::string> {
    CAIRN_CHECK(StoreImpl::create(posix_file_system(), folder + "/pulled", {}));
    CAIRN_TRY(const auto into, StoreImpl::open(posix_file_system(), folder + "/pulled", {}, {}));
    CAIRN_TRY(const auto report, pull(*into, storage, {.names = {"model"}}));
    return std::to_string(report.fetched.bytes) + " bytes fetched";
  };
  CAIRN_CHECK(measure("pull of one", storage, pull_one));
  CAIRN_CHECK(measure("verify", storage, [&]() -> Result<std::string> {
    CAIRN_TRY(const auto report, mirror::verify(storage, MirrorFormats(impl.header().digest), {.read_data = true}));
    return std::to_string(report.problems.size()) + " problems";
  }));
  return measure("restore", storage, [&]() -> Result<std::string> {
    CAIRN_TRY(const auto report, restore_store(posix_file_system(), folder + "/restored", storage, {}));
    return std::to_string(report.statements) + " statements, " + std::to_string(report.records) + " records";
  });
}

}  // namespace
}  // namespace cairn

int main(int argc, char** argv) {
  if (argc < 3) {
    std::fputs("usage: wire_small_objects ENDPOINT FOLDER [OBJECTS [BYTES]]\n", stderr);
    return 2;
  }
  const std::size_t objects = argc > 3 ? std::strtoul(argv[3], nullptr, 10) : 100'000;
  const std::size_t bytes = argc > 4 ? std::strtoul(argv[4], nullptr, 10) : 1024;
  const cairn::Status done = cairn::run(argv[1], argv[2], objects, bytes);
  if (done.ok()) return 0;
  std::fprintf(stderr, "wire_small_objects: %s\n", done.error().message.c_str());
  return 1;
}
