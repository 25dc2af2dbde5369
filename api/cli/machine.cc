// SPDX-License-Identifier: Apache-2.0
#include "api/cli/machine.h"

#include <fcntl.h>
#include <linux/io_uring.h>
#include <sys/resource.h>
#include <sys/statvfs.h>
#include <sys/syscall.h>
#include <sys/sysinfo.h>
#include <sys/utsname.h>
#include <unistd.h>

#include <cerrno>
#include <cstdlib>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <memory>
#include <thread>

namespace cairn::cli {
namespace {

Feature try_io_uring() {
  io_uring_params parameters{};
  const long fd = ::syscall(SYS_io_uring_setup, 4, &parameters);
  if (fd >= 0) {
    ::close(static_cast<int>(fd));
    return {.present = true, .reason = ""};
  }
  const std::string why = errno == ENOSYS  ? "this kernel has none"
                          : errno == EPERM ? "forbidden here (a sandbox, or the sysctl kernel.io_uring_disabled)"
                                           : std::strerror(errno);
  return {.present = false, .reason = why + "; writes use pwrite instead"};
}

Feature try_direct_io(const std::string& folder) {
  constexpr std::size_t kPage = 4096;
  const int fd = ::open(folder.c_str(), O_TMPFILE | O_RDWR | O_DIRECT | O_CLOEXEC, 0600);
  if (fd < 0) {
    const std::string why = errno == EINVAL ? "this file system refuses it" : std::strerror(errno);
    return {.present = false, .reason = why + "; files are buffered there instead"};
  }
  const std::unique_ptr<void, decltype(&std::free)> page(std::aligned_alloc(kPage, kPage), &std::free);
  bool works = page != nullptr;
  if (works) {
    std::memset(page.get(), 0, kPage);
    works = ::pwrite(fd, page.get(), kPage, 0) == static_cast<ssize_t>(kPage);
  }
  const std::string why = works ? "" : std::strerror(errno);
  ::close(fd);
  return {.present = works, .reason = why};
}

std::string nearest_existing(const std::string& folder) {
  std::error_code ignored;
  std::filesystem::path path = std::filesystem::absolute(folder, ignored);
  while (!std::filesystem::is_directory(path, ignored) && path.has_relative_path()) path = path.parent_path();
  return path.string();
}

std::map<std::string, std::string> loaded_libraries() {
  std::map<std::string, std::string> found;
  std::ifstream maps("/proc/self/maps");
  for (std::string line; std::getline(maps, line);) {
    const std::size_t at = line.find('/');
    if (at == std::string::npos) continue;
    const std::string file = line.substr(line.find_last_of('/') + 1);
    for (const char* name : {"rocksdb", "zstd", "lz4", "xxhash", "uring", "stdc++", "cairn"}) {
      if (file.starts_with(std::string("lib") + name + ".so")) found[name] = line.substr(at);
    }
  }
  return found;
}

}  // namespace

Machine look_at_machine(const std::string& folder) {
  Machine machine;
  utsname system{};
  if (::uname(&system) == 0) machine.kernel = std::string(system.sysname) + " " + system.release + " " + system.machine;
  machine.processors = std::thread::hardware_concurrency();
  struct sysinfo memory {};
  if (::sysinfo(&memory) == 0) machine.memory_bytes = std::uint64_t{memory.totalram} * memory.mem_unit;
  rlimit limit{};
  if (::getrlimit(RLIMIT_MEMLOCK, &limit) == 0 && limit.rlim_cur != RLIM_INFINITY)
    machine.memory_lock_bytes = limit.rlim_cur;
#if defined(__x86_64__)
  machine.avx2 = __builtin_cpu_supports("avx2") != 0;
  machine.avx512 = __builtin_cpu_supports("avx512f") != 0 && __builtin_cpu_supports("avx512bw") != 0 &&
                   __builtin_cpu_supports("avx512vl") != 0;
#endif
  machine.io_uring = try_io_uring();
  machine.folder = nearest_existing(folder);
  machine.direct_io = try_direct_io(machine.folder);
  struct statvfs space {};
  if (::statvfs(machine.folder.c_str(), &space) == 0) {
    machine.space_total_bytes = std::uint64_t{space.f_blocks} * space.f_frsize;
    machine.space_available_bytes = std::uint64_t{space.f_bavail} * space.f_frsize;
  }
  machine.libraries = loaded_libraries();
  return machine;
}

}  // namespace cairn::cli
