// SPDX-License-Identifier: Apache-2.0
//
// What opening costs after a writer was killed: the log that the index does not have is
// read, verified and applied, from a cold page cache.
//
// Expected. One reading of the open segment, at the rate at which the device answers a few
// reads at once, and some tens of milliseconds for the index's own files. A sealed segment
// costs its table alone.
//
// Held constant: blocks that do not compress, synced, put since the store was made: 200 MiB,
// all of it in the open segment, which is the worst case; or 1,000 MiB, most of it in sealed
// ones. The process ends without a word. Beside it the same bytes read in order, 4 MiB at a
// time, around the page cache and through it, and the opening of the same store once it was
// closed.
#include <fcntl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <filesystem>

#include "bench/ingest/ceilings.h"
#include "bench/ingest/measure.h"
#include "bench/ingest/subjects.h"

namespace bench {
namespace {

constexpr std::size_t kValueBytes = 4 * MiB;

void put_and_die(const std::string& path, std::size_t bytes) {
  const pid_t child = ::fork();
  if (child == 0) {
    auto store = cairn::Store::open(path, {.mode = cairn::OpenMode::create});
    check(store);
    Noise value(kValueBytes);
    for (std::size_t put = 0; put < bytes; put += kValueBytes) {
      renew(value.all());
      store->put_async({.bytes = value.all()});
    }
    check(store->sync());
    ::_exit(0);
  }
  int status = 1;
  if (child < 0 || ::waitpid(child, &status, 0) != child || status != 0) die("the writer failed");
}

void make_cold(const std::string& folder) {
  for (const auto& entry : std::filesystem::recursive_directory_iterator(folder)) {
    if (!entry.is_regular_file()) continue;
    const int file = ::open(entry.path().c_str(), O_RDONLY | O_CLOEXEC);
    if (file < 0 || ::fsync(file) != 0 || ::posix_fadvise(file, 0, 0, POSIX_FADV_DONTNEED) != 0) die("cannot cool");
    ::close(file);
  }
}

// Every segment, whole.
double read_in_order(const std::string& folder, int flags) {
  double seconds = 0;
  for (const auto& entry : std::filesystem::directory_iterator(folder)) {
    if (entry.path().extension() == ".seg") seconds += read_seconds(entry.path(), flags);
  }
  return seconds;
}

double open_and_close(const std::string& path, std::uint64_t replayed_min) {
  const Stopwatch watch;
  auto store = cairn::Store::open(path);
  const double seconds = watch.seconds();
  check(store);
  if (store->info().recovery.records_replayed < replayed_min) die("nothing was left to replay");
  check(store->close());
  return seconds;
}

void measure(const Setup& setup, std::size_t bytes) {
  const std::string path = setup.folder + "/recovery";
  Samples direct, cached, after_kill, after_close, share;
  for (int round = 0; round < setup.rounds; ++round) {
    std::filesystem::remove_all(path);
    put_and_die(path, bytes);
    make_cold(path);
    direct.add(read_in_order(path + "/log", O_DIRECT));
    cached.add(read_in_order(path + "/log", 0));
    make_cold(path);
    after_kill.add(open_and_close(path, bytes / MiB));
    make_cold(path);
    after_close.add(open_and_close(path, 0));
    share.add(after_kill.last() / direct.last());
  }
  std::filesystem::remove_all(path);
  const auto milliseconds = [](const Samples& seconds) { return text("%.0f", 1e3 * seconds.median()); };
  row({text("%zu MiB", bytes / MiB), milliseconds(direct), milliseconds(cached), milliseconds(after_kill),
       text("%.2f", share.median()), milliseconds(after_close)});
}

}  // namespace

void recovery(const Setup& setup) {
  head("a log that the index does not have, cold: median milliseconds",
       {"log", "read, O_DIRECT", "read, page cache", "open after a kill", "÷ read (goal 1.2)", "open after a close"});
  measure(setup, 200 * MiB);
  measure(setup, 1000 * MiB);
}

}  // namespace bench
