// SPDX-License-Identifier: Apache-2.0
//
// Digests against the vectors that their authors published, and against the tools where
// they are installed: an id must be what `b3sum` or `xxh128sum` prints.
#include "cairn/digest.h"

#include <gtest/gtest.h>
#include <unistd.h>

#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <random>
#include <thread>
#include <vector>

#include "engine/content/digester.h"

namespace cairn {
namespace {

namespace fs = std::filesystem;

constexpr auto kBlake3 = DigestKind::blake3;
constexpr auto kXxh3 = DigestKind::xxh3_128;

// The input of BLAKE3's test_vectors.json: bytes that count 0 to 250 and start again.
std::vector<std::byte> counting(std::size_t size) {
  std::vector<std::byte> bytes(size);
  for (std::size_t i = 0; i < size; ++i) bytes[i] = static_cast<std::byte>(i % 251);
  return bytes;
}

std::vector<std::byte> random_bytes(std::size_t size) {
  std::vector<std::byte> bytes(size);
  std::mt19937_64 random(7);
  for (auto& byte : bytes) byte = static_cast<std::byte>(random());
  return bytes;
}

std::string hex_of(DigestKind kind, Bytes bytes) { return to_hex(kind, digest_of(kind, bytes)); }

TEST(Blake3, AgreesWithThePublishedTestVectors) {
  EXPECT_EQ(hex_of(kBlake3, {}), "af1349b9f5f9a1a6a0404dea36dcc9499bcb25c9adc112b7cc9a93cae41f3262");
  EXPECT_EQ(hex_of(kBlake3, counting(1)), "2d3adedff11b61f14c886e35afa036736dcd87a74d27b5c1510225d0f592e213");
  EXPECT_EQ(hex_of(kBlake3, counting(1023)), "10108970eeda3eb932baac1428c7a2163b0e924c9a9e25b35bba72b28f70bd11");
  EXPECT_EQ(hex_of(kBlake3, counting(1024)), "42214739f095a406f3fc83deb889744ac00df831c10daa55189b5d121c855af7");
  EXPECT_EQ(hex_of(kBlake3, counting(1025)), "d00278ae47eb27b34faecf67b4fe263f82d5412916c1ffd97c8cb7fb814b8444");
  EXPECT_EQ(hex_of(kBlake3, counting(102400)), "bc3e3d41a1146b069abffad3c0d44860cf664390afce4d9661f7902e7943e085");
}

TEST(Xxh3, AgreesWithThePublishedValues) {
  EXPECT_EQ(hex_of(kXxh3, {}), "99aa06d3014798d86001c324468d497f");
  EXPECT_EQ(hex_of(kXxh3, as_bytes("abc")), "06b05ab6733a618578af5f94892f3950");
  EXPECT_EQ(checksum_of({}), 0x2d06800538d394c2u);
}

TEST(Xxh3, LeavesTheUpperHalfOfADigestZero) {
  const Digest digest = digest_of(kXxh3, counting(5000));
  for (std::size_t i = 16; i < Digest::kSize; ++i) EXPECT_EQ(digest.bytes[i], std::byte{0});
}

TEST(Digester, GivesTheDigestOfTheWholeHoweverItIsCut) {
  const auto bytes = random_bytes(300'000);
  for (const DigestKind kind : {kBlake3, kXxh3}) {
    for (const std::size_t step : {1u, 63u, 240u, 1024u, 4096u, 65537u, 300'000u}) {
      Digester digester(kind);
      digester.update({});
      for (std::size_t at = 0; at < bytes.size(); at += step) {
        digester.update(Bytes(bytes).subspan(at, std::min(step, bytes.size() - at)));
      }
      EXPECT_EQ(digester.finish(), digest_of(kind, bytes)) << digest_kind_name(kind) << " in steps of " << step;
    }
  }
}

TEST(Digester, MayGoOnAfterFinish) {
  const auto bytes = random_bytes(10'000);
  for (const DigestKind kind : {kBlake3, kXxh3}) {
    Digester digester(kind);
    EXPECT_EQ(digester.finish(), digest_of(kind, {}));
    digester.update(Bytes(bytes).first(5000));
    EXPECT_EQ(digester.finish(), digest_of(kind, Bytes(bytes).first(5000)));
    Digester moved = std::move(digester);
    moved.update(Bytes(bytes).subspan(5000));
    EXPECT_EQ(moved.finish(), digest_of(kind, bytes));
  }
}

TEST(Digester, NeedsNoAlignment) {
  const auto bytes = random_bytes(70'000);
  for (const DigestKind kind : {kBlake3, kXxh3}) {
    for (std::size_t shift = 1; shift < 64; shift += 7) {
      const Bytes part = Bytes(bytes).subspan(shift, 60'000);
      const std::vector<std::byte> copy(part.begin(), part.end());
      EXPECT_EQ(digest_of(kind, part), digest_of(kind, copy));
      EXPECT_EQ(checksum_of(part), checksum_of(copy));
    }
  }
}

TEST(Digester, EveryThreadGetsTheSameDigest) {
  const auto bytes = random_bytes(100'000);
  const Digest blake3 = digest_of(kBlake3, bytes), xxh3 = digest_of(kXxh3, bytes);
  std::vector<std::thread> threads;
  std::vector<char> equal(4, 0);
  for (std::size_t i = 0; i < equal.size(); ++i) {
    threads.emplace_back([&, i] {
      equal[i] = static_cast<char>(digest_of(kBlake3, bytes) == blake3 && digest_of(kXxh3, bytes) == xxh3);
    });
  }
  for (auto& thread : threads) thread.join();
  for (const char same : equal) EXPECT_TRUE(same);
}

// The first word that `command` prints.
std::string first_word_of(const std::string& command) {
  std::string text;
  std::FILE* pipe = ::popen(command.c_str(), "r");
  if (pipe == nullptr) return text;
  for (int c = std::fgetc(pipe); c != EOF && c != ' ' && c != '\n'; c = std::fgetc(pipe)) {
    text += static_cast<char>(c);
  }
  ::pclose(pipe);
  return text;
}

void expect_tool_agrees(const std::string& tool, DigestKind kind) {
  if (std::system(("command -v " + tool + " >/dev/null").c_str()) != 0) GTEST_SKIP() << tool << " is not installed";
  const fs::path path = fs::temp_directory_path() / ("cairn-" + tool + "-" + std::to_string(::getpid()));
  for (const std::size_t size : {0u, 1u, 100u, 241u, 4096u, 1'048'576u, 3'000'001u}) {
    const auto bytes = random_bytes(size);
    std::ofstream(path, std::ios::binary).write(as_text(bytes).data(), static_cast<std::streamsize>(size));
    EXPECT_EQ(hex_of(kind, bytes), first_word_of(tool + " '" + path.string() + "' 2>/dev/null")) << size << " bytes";
  }
  fs::remove(path);
}

TEST(Blake3, IsWhatB3sumPrints) { expect_tool_agrees("b3sum", kBlake3); }
TEST(Xxh3, IsWhatXxh128sumPrints) { expect_tool_agrees("xxh128sum", kXxh3); }

}  // namespace
}  // namespace cairn
