// SPDX-License-Identifier: Apache-2.0
//
// Clocks, percentiles, memory full of noise and lines of tables for the ingest benchmark.
#pragma once

#include <sys/mman.h>
#include <sys/resource.h>

#include <algorithm>
#include <chrono>
#include <cstdarg>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <span>
#include <string>
#include <vector>

#include "cairn/store.h"

namespace bench {

constexpr std::size_t KiB = 1024, MiB = 1024 * KiB, GiB = 1024 * MiB;

[[noreturn]] inline void die(const std::string& why) {
  std::fprintf(stderr, "ingest: %s\n", why.c_str());
  std::exit(1);
}

template <class T>
void check(const cairn::Result<T>& result) {
  if (!result.ok()) die(result.error().message);
}

class Stopwatch {
 public:
  double seconds() const { return std::chrono::duration<double>(std::chrono::steady_clock::now() - began_).count(); }

 private:
  std::chrono::steady_clock::time_point began_ = std::chrono::steady_clock::now();
};

// Of all threads of the process, user and system.
inline double cpu_seconds() {
  rusage usage{};
  ::getrusage(RUSAGE_SELF, &usage);
  const auto seconds = [](const timeval& t) { return static_cast<double>(t.tv_sec) + 1e-6 * t.tv_usec; };
  return seconds(usage.ru_utime) + seconds(usage.ru_stime);
}

// The number behind NAME: in a file of /proc/self.
inline std::uint64_t proc_self(const char* file, const std::string& name) {
  std::FILE* in = std::fopen((std::string("/proc/self/") + file).c_str(), "r");
  if (in == nullptr) die(std::string("no /proc/self/") + file);
  char line[256];
  std::uint64_t found = 0;
  while (std::fgets(line, sizeof line, in) != nullptr) {
    if (std::string(line).starts_with(name + ":")) found = std::strtoull(line + name.size() + 1, nullptr, 10);
  }
  std::fclose(in);
  return found;
}

class Samples {
 public:
  void add(double value) { values_.push_back(value); }
  void add(const Samples& more) { values_.insert(values_.end(), more.values_.begin(), more.values_.end()); }
  std::size_t count() const { return values_.size(); }
  double last() const { return values_.back(); }
  // Of no more than a hundred samples the 99th percentile is the largest.
  double percentile(double percent) const {
    if (values_.empty()) return 0;
    std::vector<double> sorted = values_;
    std::sort(sorted.begin(), sorted.end());
    const auto at = static_cast<std::size_t>(percent / 100 * static_cast<double>(sorted.size()));
    return sorted[std::min(at, sorted.size() - 1)];
  }
  double median() const { return percentile(50); }
  double mean() const {
    double sum = 0;
    for (const double value : values_) sum += value;
    return values_.empty() ? 0 : sum / static_cast<double>(values_.size());
  }
  double most() const { return percentile(100); }

 private:
  std::vector<double> values_;
};

inline std::uint64_t mixed(std::uint64_t x) {
  x = (x ^ x >> 30) * 0xBF58476D1CE4E5B9;
  x = (x ^ x >> 27) * 0x94D049BB133111EB;
  return x ^ x >> 31;
}

// Memory that is touched and full of noise that does not compress, on ordinary or on huge
// pages. Tensors of most programs lie on 64 bytes, not on a page: `skew` moves them off it.
class Noise {
 public:
  enum class Pages { ordinary, huge };
  explicit Noise(std::size_t bytes, std::size_t skew = 0, Pages pages = Pages::ordinary)
      : size_(bytes), mapped_(bytes + skew + kHugePage) {
    void* const base = ::mmap(nullptr, mapped_, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (base == MAP_FAILED) die("no memory");
    base_ = static_cast<std::byte*>(base);
    if (::madvise(base, mapped_, pages == Pages::huge ? MADV_HUGEPAGE : MADV_NOHUGEPAGE) != 0) die("no such pages");
    const auto address = reinterpret_cast<std::uintptr_t>(base);
    data_ = base_ + (kHugePage - address % kHugePage) % kHugePage + skew;
    std::uint64_t x = 0x9E3779B97F4A7C15 * (bytes + skew + 1);
    for (std::size_t at = 0; at + 8 <= bytes; at += 8) {
      const std::uint64_t word = mixed(x += 0x9E3779B97F4A7C15);
      std::memcpy(data_ + at, &word, 8);
    }
  }
  ~Noise() { ::munmap(base_, mapped_); }
  Noise(const Noise&) = delete;
  Noise& operator=(const Noise&) = delete;

  std::span<std::byte> part(std::size_t at, std::size_t bytes) { return {data_ + at % size_, bytes}; }
  std::span<std::byte> all() { return {data_, size_}; }

 private:
  static constexpr std::size_t kHugePage = 2 * MiB;
  std::size_t size_, mapped_;
  std::byte *base_, *data_;
};

// Makes every block of a value, or every nth, one that was never seen.
inline void renew(std::span<std::byte> value, std::size_t every = 1) {
  static std::uint64_t count = 0;
  for (std::size_t at = 0; at + 8 <= value.size(); at += every * MiB) {
    const std::uint64_t word = mixed(++count);
    std::memcpy(value.data() + at, &word, 8);
  }
}

// A store below the folder that is measured, gone with the handle.
inline cairn::Store new_store(const std::string& folder, std::uint64_t budget_bytes,
                              cairn::DigestKind digest = cairn::DigestKind::blake3) {
  auto store =
      cairn::Store::temporary(folder, {.create = {.digest = digest}, .writer = {.budget_bytes = budget_bytes}});
  if (!store.ok()) die(store.error().message);
  check(store->warm_up());
  return std::move(store).value();
}

__attribute__((format(printf, 1, 2))) inline std::string text(const char* format, ...) {
  char line[256];
  va_list values;
  va_start(values, format);
  std::vsnprintf(line, sizeof line, format, values);
  va_end(values);
  return line;
}

inline void row(const std::vector<std::string>& cells) {
  for (const std::string& cell : cells) std::printf("| %s ", cell.c_str());
  std::printf("|\n");
  std::fflush(stdout);
}

inline void head(const char* title, const std::vector<std::string>& cells) {
  std::printf("\n%s\n\n", title);
  row(cells);
  row(std::vector<std::string>(cells.size(), "---"));
}

inline std::string size_name(std::size_t bytes) {
  return bytes >= GiB   ? text("%zu GiB", bytes / GiB)
         : bytes >= MiB ? text("%zu MiB", bytes / MiB)
                        : text("%zu KiB", bytes / KiB);
}

}  // namespace bench
