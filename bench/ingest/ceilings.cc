// SPDX-License-Identifier: Apache-2.0
#include "bench/ingest/ceilings.h"

#include <fcntl.h>
#include <unistd.h>

namespace bench {

namespace {

struct Rates {
  unsigned long long write = 0, read = 0;
};

Rates fio(const std::string& options, const std::string& folder, const char* size) {
  const std::string command = CAIRN_SOURCE_DIR "/bench/disk_ceiling.sh --json " + options + " '" + folder + "' " + size;
  std::FILE* out = ::popen(command.c_str(), "r");
  Rates rates;
  if (out == nullptr ||
      std::fscanf(out, "{\"write_bw_bytes\": %llu, \"read_bw_bytes\": %llu", &rates.write, &rates.read) != 2) {
    die("disk_ceiling.sh failed");
  }
  ::pclose(out);
  return rates;
}

}  // namespace

double fio_write(const std::string& folder, Noise::Pages pages) {
  const char* const kind = pages == Noise::Pages::huge ? "--write" : "--write --ordinary-pages";
  return static_cast<double>(fio(kind, folder, "2g").write) / 1e9;
}

double fio_read(const std::string& folder) { return static_cast<double>(fio("", folder, "1g").read) / 1e9; }

double read_seconds(const std::string& path, int flags) {
  constexpr std::size_t kReadBytes = 4 * MiB;
  const int file = ::open(path.c_str(), O_RDONLY | O_CLOEXEC | flags);
  if (file < 0) die("cannot open " + path);
  Noise into(kReadBytes, 0, Noise::Pages::huge);
  const Stopwatch watch;
  for (off_t at = 0;; at += kReadBytes) {
    const ssize_t got = ::pread(file, into.all().data(), kReadBytes, at);
    if (got < 0) die("cannot read " + path);
    if (got < static_cast<ssize_t>(kReadBytes)) break;
  }
  const double seconds = watch.seconds();
  ::close(file);
  return seconds;
}

double sync_rate(const std::string& folder) {
  constexpr std::size_t kPage = 4 * KiB, kPages = 256;
  const std::string path = folder + "/sync-ceiling";
  const int file = ::open(path.c_str(), O_RDWR | O_CREAT | O_TRUNC | O_DIRECT | O_CLOEXEC, 0644);
  if (file < 0) die("cannot open " + path);
  Noise noise(kPages * kPage);
  const auto write_and_sync = [&](std::size_t at, std::size_t bytes) {
    const auto from = noise.part(at, bytes);
    if (::pwrite(file, from.data(), bytes, static_cast<off_t>(at)) != static_cast<ssize_t>(bytes) ||
        ::fdatasync(file) != 0) {
      die("cannot write " + path);
    }
  };
  write_and_sync(0, kPages * kPage);
  std::size_t syncs = 0;
  const Stopwatch watch;
  for (; watch.seconds() < 1; ++syncs) write_and_sync(syncs % kPages * kPage, kPage);
  const double rate = static_cast<double>(syncs) / watch.seconds();
  ::close(file);
  ::unlink(path.c_str());
  return rate;
}

}  // namespace bench
