// SPDX-License-Identifier: Apache-2.0
#include "engine/write/staging_arena.h"

#include <sys/mman.h>

#include <cerrno>
#include <cstring>
#include <mutex>
#include <vector>

#if defined(__x86_64__)
#include <emmintrin.h>
#endif

#include "engine/base/errors.h"

namespace cairn {
namespace {

// Below this the cache is the better place.
constexpr std::size_t kStreamBytesMin = 256 * KiB;

}  // namespace

struct StagingArena::Memory {
  ~Memory() {
    if (base != nullptr) ::munmap(base, bytes);
  }
  std::byte* base = nullptr;
  std::size_t bytes = 0;
  std::mutex mutex;
  std::vector<std::byte*> free;  // guarded by mutex; the one used last is taken first
};

Result<std::unique_ptr<StagingArena>> StagingArena::create(std::size_t slab_bytes, std::size_t count) {
  auto memory = std::make_shared<Memory>();
  memory->bytes = slab_bytes * count;
  void* const base =
      ::mmap(nullptr, memory->bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
  if (base == MAP_FAILED) return error_from_errno(errno, "take memory for values on their way in");
  memory->base = static_cast<std::byte*>(base);
  // Large pages cost fewer faults and misses; where there are none, small ones do.
  static_cast<void>(::madvise(base, memory->bytes, MADV_HUGEPAGE));
  // Every page is touched now. What has no memory for it is an error here and not a
  // signal later, where the kernel can tell (Linux 5.14).
  if (::madvise(base, memory->bytes, MADV_POPULATE_WRITE) != 0) {
    if (errno != EINVAL) return error_from_errno(errno, "take memory for values on their way in");
    std::memset(base, 0, memory->bytes);
  }
  memory->free.reserve(count);
  for (std::size_t i = count; i-- > 0;) memory->free.push_back(memory->base + i * slab_bytes);
  return std::unique_ptr<StagingArena>(new StagingArena(std::move(memory), slab_bytes));
}

StagingArena::Slab StagingArena::take() {
  std::byte* slab = nullptr;
  {
    const std::lock_guard lock(memory_->mutex);
    if (memory_->free.empty()) return {};
    slab = memory_->free.back();
    memory_->free.pop_back();
  }
  const auto give_back = [memory = memory_](std::byte* returned) {
    const std::lock_guard lock(memory->mutex);
    memory->free.push_back(returned);
  };
  return {.hold = std::shared_ptr<std::byte>(slab, give_back), .bytes = {slab, slab_bytes_}};
}

void copy_past_cache(MutableBytes to, Bytes from) {
#if defined(__x86_64__)
  constexpr std::size_t kLine = 64;
  if (from.size() >= kStreamBytesMin && reinterpret_cast<std::uintptr_t>(to.data()) % kLine == 0) {
    const std::size_t lines = from.size() / kLine * kLine;
    const std::byte* source = from.data();
    std::byte* target = to.data();
    for (const std::byte* const end = source + lines; source != end; source += kLine, target += kLine) {
      const auto* in = reinterpret_cast<const __m128i*>(source);
      auto* out = reinterpret_cast<__m128i*>(target);
      const __m128i a = _mm_loadu_si128(in), b = _mm_loadu_si128(in + 1);
      const __m128i c = _mm_loadu_si128(in + 2), d = _mm_loadu_si128(in + 3);
      _mm_stream_si128(out, a);
      _mm_stream_si128(out + 1, b);
      _mm_stream_si128(out + 2, c);
      _mm_stream_si128(out + 3, d);
    }
    _mm_sfence();
    std::memcpy(target, source, from.size() - lines);
    return;
  }
#endif
  std::memcpy(to.data(), from.data(), from.size());
}

}  // namespace cairn
