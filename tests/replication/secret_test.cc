// SPDX-License-Identifier: Apache-2.0
//
// What a secret does not do: be printed, stay behind, or come back.
#include "replication/secret.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <malloc.h>

#include <algorithm>
#include <atomic>
#include <cstdlib>
#include <cstring>
#include <new>
#include <ostream>
#include <string>

#include "engine/base/sanitizers.h"
#include "tests/replication/freed_memory.h"

namespace cairn::s3 {
namespace {

// Outside the heap, so that nothing but the tested code puts it there.
char watched[64];
std::atomic<std::size_t> watched_size = 0;
std::atomic<std::size_t> found_count = 0;
std::atomic<std::size_t> refused_from = ~std::size_t{0};

[[maybe_unused]] void look_into(const void* memory) noexcept {
  const std::size_t size = watched_size.load();
  if (memory == nullptr || size == 0) return;
  const auto* const bytes = static_cast<const char*>(memory);
  if (::memmem(bytes, ::malloc_usable_size(const_cast<void*>(memory)), watched, size) != nullptr) ++found_count;
}

}  // namespace

FreedMemoryWatch::FreedMemoryWatch(std::string_view canary) {
  found_count = 0;
  std::memcpy(watched, canary.data(), std::min(canary.size(), sizeof(watched)));
  watched_size = std::min(canary.size(), sizeof(watched));
}
FreedMemoryWatch::~FreedMemoryWatch() { watched_size = 0; }
std::size_t FreedMemoryWatch::found() const { return found_count; }

NoLargeMemory::NoLargeMemory(std::size_t from_bytes) { refused_from = from_bytes; }
NoLargeMemory::~NoLargeMemory() { refused_from = ~std::size_t{0}; }

}  // namespace cairn::s3

// TSan brings operators of its own, which nobody may replace.
#if !CAIRN_THREAD_SANITIZER
// Zeroed, so that nothing found in a piece was there before it was given out.
void* operator new(std::size_t size) {
  if (size >= cairn::s3::refused_from) throw std::bad_alloc();
  if (void* memory = std::calloc(1, size ? size : 1)) return memory;
  throw std::bad_alloc();
}
void* operator new(std::size_t size, const std::nothrow_t&) noexcept { return std::calloc(1, size ? size : 1); }
// Not inline: GCC takes free() for a mistake where it sees it beside a new that it does not see through.
[[gnu::noinline]] void operator delete(void* memory) noexcept {
  cairn::s3::look_into(memory);
  std::free(memory);
}
void operator delete(void* memory, std::size_t) noexcept { operator delete(memory); }
void operator delete(void* memory, const std::nothrow_t&) noexcept { operator delete(memory); }
void* operator new[](std::size_t size) { return operator new(size); }
void* operator new[](std::size_t size, const std::nothrow_t& none) noexcept { return operator new(size, none); }
void operator delete[](void* memory, const std::nothrow_t&) noexcept { operator delete(memory); }
void operator delete[](void* memory) noexcept { operator delete(memory); }
void operator delete[](void* memory, std::size_t) noexcept { operator delete(memory); }
#endif

namespace cairn::s3 {
namespace {

using ::testing::HasSubstr;
using ::testing::Not;

constexpr std::string_view kText = "canary-8f1b2c-that-is-longer-than-a-short-string";

template <class T>
concept Printable = requires(std::ostream& stream, const T& value) {
  stream << value;
};

TEST(SecretTest, IsPrintedByNoStreamAndNoTest) {
  static_assert(!Printable<Secret>);
  EXPECT_THAT(::testing::PrintToString(Secret(kText)), Not(HasSubstr("canary")));
}

TEST(SecretTest, CopiesAndMovesLikeAText) {
  Secret first(kText);
  const Secret copy = first;
  Secret moved = std::move(first);
  EXPECT_TRUE(first.empty());  // NOLINT(bugprone-use-after-move)
  EXPECT_EQ(moved, copy);
  EXPECT_EQ(copy.reveal(), kText);
  moved = Secret();
  EXPECT_TRUE(moved.empty());
  EXPECT_EQ(moved.reveal(), "");
  Secret& self = moved = copy;
  moved = self;
  EXPECT_EQ(moved.reveal(), kText);
}

TEST(SecretTest, IsNotInTheMemoryThatItFrees) {
  if (CAIRN_THREAD_SANITIZER) GTEST_SKIP() << "TSan's own operators delete";
  const FreedMemoryWatch watch(kText);
  {
    Secret first(kText);
    Secret second = first;
    second = Secret("another");
    Secret third = std::move(first);
    third = Secret(kText);
  }
  EXPECT_EQ(watch.found(), 0u);
  // The watch does find what a string leaves.
  { const std::string left(kText); }
  EXPECT_EQ(watch.found(), 1u);
}

}  // namespace
}  // namespace cairn::s3
