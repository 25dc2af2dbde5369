// SPDX-License-Identifier: Apache-2.0
//
// AlignedBuffer and BufferPool: memory that O_DIRECT accepts, and that is used again.
#include <gtest/gtest.h>

#include <algorithm>
#include <cstring>
#include <set>
#include <thread>
#include <vector>

#include "engine/base/buffer_pool.h"
#include "engine/base/sanitizers.h"

namespace cairn {
namespace {

bool on_a_page(const std::byte* at) { return reinterpret_cast<std::uintptr_t>(at) % kPageBytes == 0; }

TEST(AlignedBuffer, IsWholePagesOnAPage) {
  for (const std::size_t size : {std::size_t{0}, std::size_t{1}, kPageBytes, kPageBytes + 1, std::size_t{3 * MiB}}) {
    SCOPED_TRACE(size);
    const AlignedBuffer buffer = AlignedBuffer::allocate(size);
    ASSERT_TRUE(buffer);
    EXPECT_TRUE(on_a_page(buffer.data()));
    EXPECT_GE(buffer.capacity(), std::max(size, std::size_t{1}));
    EXPECT_EQ(buffer.capacity() % kPageBytes, 0u);
    EXPECT_LT(buffer.capacity(), size + kPageBytes + 1);
    std::memset(buffer.data(), 7, buffer.capacity());  // all of it is ours: the sanitizers agree
  }
}

TEST(AlignedBuffer, OfMoreThanThereIsIsEmpty) {
#if CAIRN_ADDRESS_SANITIZER || CAIRN_THREAD_SANITIZER
  GTEST_SKIP() << "the sanitizers end the process instead";
#endif
  const AlignedBuffer buffer = AlignedBuffer::allocate(std::size_t{1} << 62);
  EXPECT_FALSE(buffer);
  EXPECT_EQ(buffer.capacity(), 0u);
}

TEST(AlignedBuffer, MovesWithItsMemory) {
  AlignedBuffer from = AlignedBuffer::allocate(10);
  std::byte* const at = from.data();
  const AlignedBuffer to = std::move(from);
  EXPECT_EQ(to.data(), at);
  EXPECT_EQ(from.data(), nullptr);  // NOLINT(bugprone-use-after-move): what a moved-from buffer is
}

TEST(BufferPool, GivesTheSameMemoryAgainOnceItIsReturned) {
  BufferPool pool(1 * MiB);
  const std::byte* first = nullptr;
  {
    const auto buffer = pool.take();
    ASSERT_TRUE(buffer);
    EXPECT_GE(buffer->capacity(), pool.buffer_bytes());
    first = buffer->data();
  }
  EXPECT_EQ(pool.take()->data(), first);
}

TEST(BufferPool, NeverGivesMemoryThatSomebodyHolds) {
  BufferPool pool(kPageBytes);
  std::vector<std::shared_ptr<AlignedBuffer>> held;
  std::set<const std::byte*> places;
  for (int i = 0; i < 32; ++i) {
    held.push_back(pool.take());
    places.insert(held.back()->data());
  }
  EXPECT_EQ(places.size(), 32u);
  const SharedBuffer second_holder = held.front();
  held.clear();
  for (int i = 0; i < 64; ++i) {
    held.push_back(pool.take());
    EXPECT_NE(held.back()->data(), second_holder->data());
  }
}

// They are cut from one piece of memory; each has all of its own.
TEST(BufferPool, BuffersDoNotOverlap) {
  BufferPool pool(1 * MiB + 2 * kPageBytes);
  std::vector<std::shared_ptr<AlignedBuffer>> held;
  for (unsigned char mark = 1; mark <= 20; ++mark) {
    held.push_back(pool.take());
    ASSERT_TRUE(held.back());
    EXPECT_EQ(reinterpret_cast<std::uintptr_t>(held.back()->data()) % kPageBytes, 0u);
    std::fill_n(held.back()->data(), held.back()->capacity(), std::byte{mark});
  }
  for (std::size_t i = 0; i < held.size(); ++i) {
    const Bytes bytes = held[i]->span();
    EXPECT_EQ(std::count(bytes.begin(), bytes.end(), std::byte(i + 1)), static_cast<std::ptrdiff_t>(bytes.size()));
  }
}

TEST(AlignedBuffer, LargeOnesStartOnAHugePage) {
  const AlignedBuffer buffer = AlignedBuffer::allocate(4 * MiB);
  ASSERT_TRUE(buffer);
  EXPECT_EQ(reinterpret_cast<std::uintptr_t>(buffer.data()) % kHugePageBytes, 0u);
}

TEST(BufferPool, BuffersOutliveThePool) {
  std::shared_ptr<AlignedBuffer> buffer;
  {
    BufferPool pool(kPageBytes);
    buffer = pool.take();
  }
  std::memset(buffer->data(), 1, buffer->capacity());
  buffer.reset();  // goes to a free list that is the last to go: the sanitizers would tell
}

TEST(BufferPool, IsSharedByThreads) {
  BufferPool pool(kPageBytes);
  const auto borrow = [&pool](unsigned char mark) {
    for (int i = 0; i < 500; ++i) {
      const auto buffer = pool.take();
      std::memset(buffer->data(), mark, kPageBytes);
      const auto expected = static_cast<std::byte>(mark);
      ASSERT_EQ(buffer->data()[0], expected);
      ASSERT_EQ(buffer->data()[kPageBytes - 1], expected);
    }
  };
  std::thread other(borrow, static_cast<unsigned char>(1));
  borrow(2);
  other.join();
}

}  // namespace
}  // namespace cairn
