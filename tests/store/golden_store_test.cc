// SPDX-License-Identifier: Apache-2.0
//
// Stores that format version 1 wrote, tracked in tests/format/golden-store as they were
// written then: whatever is built since opens them, finds nothing wrong, and gives back the
// same names, ids and bytes. One for each digest, with every kind of record and every codec.
//
//   CAIRN_WRITE_GOLDEN_STORE=1 build/dev/tests/test_store --gtest_filter='*GoldenStore*'
//
// writes them anew. That is right for a new format version, into a folder of its own, and
// never to make a test pass: stores like these are on disks.
#include <fstream>
#include <set>
#include <sstream>

#include "engine/codec/block_codec.h"
#include "engine/content/digester.h"
#include "tests/faults/log_records.h"
#include "tests/support/archive_fixture.h"
#include "tests/support/sim_survival.h"
#include "tests/support/source_tree.h"

namespace cairn::testing {
namespace {

namespace stdfs = std::filesystem;
using Files = std::map<std::string, std::string>;

// What is in the stores, made of integers alone: the same on every machine.
std::string noise(std::size_t count, std::uint64_t seed) {
  std::string out;
  for (std::size_t i = 0; i < count; ++i) out += static_cast<char>(mix(seed, i) >> 40);
  return out;
}
std::string words(std::size_t count, std::uint64_t seed) {
  static constexpr const char* kWords[] = {"block ", "record ", "segment ", "log ", "index ", "view\n"};
  std::string out;
  for (std::size_t i = 0; out.size() < count; ++i) out += kWords[mix(seed, i) % std::size(kWords)];
  return out.substr(0, count);
}
// As bf16: any mantissa, any sign, an exponent that is mostly one of a few.
std::string weights(std::size_t count, std::uint64_t seed) {
  std::string out;
  for (std::size_t i = 0; i < count; ++i) {
    const std::uint64_t random = mix(seed, i);
    const std::uint64_t exponent = 0x78 - static_cast<std::uint64_t>(std::countr_zero(random | 0x80));
    const std::uint64_t bits = (random >> 40 & 0x8000) | exponent << 7 | (random >> 20 & 0x7f);
    out += static_cast<char>(bits & 0xff);
    out += static_cast<char>(bits >> 8);
  }
  return out;
}

struct GoldenVersion {
  std::string name;
  Codec codec;
  Files files;
};

std::vector<GoldenVersion> golden_versions() {
  const std::string shared = weights(6'000, 1);
  const std::string bulk = noise(30'000, 2);
  return {
      {"model",
       Codec::automatic,
       {{"m.safetensors",
         safetensors_of({{"a", weights(20'000, 3)}, {"shared", shared}, {"zero", std::string(20'000, '\0')}})}}},
      {"data", Codec::none, {{"opaque.bin", bulk}, {"empty", ""}, {"same", std::string(9'000, 'x')}}},
      {"model",
       Codec::zstd,
       {{"m.safetensors", safetensors_of({{"b", weights(9'000, 4)}, {"shared", shared}})},
        {"note.txt", words(30'000, 5)}}},
      {"data", Codec::lz4, {{"opaque.bin", bulk + "tail"}, {"text", words(30'000, 6)}}},
  };
}

class GoldenStoreTest : public ::testing::TestWithParam<DigestKind> {
 protected:
  GoldenStoreTest() {
    if (std::getenv("CAIRN_WRITE_GOLDEN_STORE") != nullptr) write_anew();
    stdfs::copy(golden() / "store", store_path(), stdfs::copy_options::recursive);
  }

  static stdfs::path golden() {
    return testing::source_tree() / "tests/format/golden-store" /
           (GetParam() == DigestKind::blake3 ? "blake3" : "xxh3-128");
  }
  std::string store_path() const { return scratch_ / "store"; }

  // Names, versions, ids and tags, one to a line.
  static std::string listing(Store& store) {
    std::ostringstream out;
    const auto refs = store.archive().list();
    EXPECT_TRUE(refs.ok());
    for (const RefInfo& ref : *refs) {
      const std::string name = ref.name + "@" + std::to_string(ref.version);
      out << name << " " << ref.snapshot;
      for (const auto& [key, value] : ref.tags) out << " " << key << "=" << value;
      out << "\n";
      const auto entries = store.archive().entries(name);
      EXPECT_TRUE(entries.ok());
      for (const EntryInfo& entry : *entries) {
        out << "  " << entry.path << " " << entry.bytes << " " << entry.id << " " << entry.format << "\n";
      }
    }
    return out.str();
  }

  void write_anew() const {
    const std::string path = scratch_ / "new";
    const std::string inputs = scratch_ / "in";
    FileSystem& fs = posix_file_system();
    const StoreLayout layout(path);
    // Smaller than any that create() makes: several segments, some of them sealed.
    const StoreHeader header{.uuid = StoreUuid{std::byte{0x90}, std::byte{0x1d}},
                             .digest = GetParam(),
                             .block_bytes = 8 * KiB,
                             .segment_bytes = 96 * KiB};
    ASSERT_TRUE(fs.create_directory(layout.folder).ok() && fs.create_directory(layout.log()).ok());
    ASSERT_TRUE(write_file_atomically(fs, layout.header(), as_bytes(encode_store_header(header))).ok());
    Store store = open_store(fs, path);
    for (const GoldenVersion& version : golden_versions()) {
      stdfs::remove_all(inputs);
      std::vector<std::string> paths;
      for (const auto& [file, content] : version.files) {
        paths.push_back(inputs + "/" + file);
        write_file(paths.back(), content);
      }
      const auto added = store.archive().add(paths, {.name = version.name, .codec = version.codec, .force = true});
      ASSERT_TRUE(added.ok()) << added.error().message;
    }
    ASSERT_TRUE(store.archive().tag("data@2", {{"reviewed", "yes"}}).ok());
    const std::string list = listing(store);
    ASSERT_TRUE(store.close().ok());
    stdfs::remove_all(golden());
    stdfs::create_directories(golden());
    // The index is a view that remembers this machine's paths: it is no part of the format.
    stdfs::remove_all(layout.index());
    stdfs::remove(layout.lock());
    stdfs::copy(path, golden() / "store", stdfs::copy_options::recursive);
    write_file(golden() / "listing.txt", list);
  }

  void expect_as_written(Store& store) {
    EXPECT_TRUE(store.info().recovery.damage.empty());
    EXPECT_EQ(store.info().recovery.torn_bytes, 0u);
    EXPECT_EQ(store.info().digest, GetParam());
    expect_whole(store);
    EXPECT_EQ(listing(store), read_file(golden() / "listing.txt"));
    std::map<std::string, std::size_t> versions;
    for (const GoldenVersion& version : golden_versions()) {
      const std::string ref = version.name + "@" + std::to_string(++versions[version.name]);
      const auto files = read_version(store, ref);
      ASSERT_TRUE(files.ok()) << ref << ": " << files.error().message;
      EXPECT_TRUE(*files == version.files) << ref;
    }
  }

  ScratchFolder scratch_;
};

TEST_P(GoldenStoreTest, HoldsEveryKindOfRecordAndEveryCodec) {
  std::set<RecordKind> kinds;
  std::set<CodecId> codecs;
  std::uint32_t last = 0;
  const Status read = for_each_log_record(posix_file_system(), store_path(),
                                          [&](std::uint32_t segment, const RecordDescriptor& record) {
                                            kinds.insert(record.kind);
                                            if (record.kind == RecordKind::block)
                                              codecs.insert(static_cast<CodecId>(record.codec));
                                            last = segment;
                                          });
  ASSERT_TRUE(read.ok()) << read.error().message;
  EXPECT_EQ(kinds.size(), 7u);
  EXPECT_EQ(codecs.size(), 5u);
  EXPECT_GE(last, 2u) << "none of its segments is sealed";
}

TEST_P(GoldenStoreTest, IsReadAndGoneOnWith) {
  {
    Store reader = open_store(posix_file_system(), store_path(), Access::read_only);
    expect_as_written(reader);
  }
  {
    Store writer = open_store(posix_file_system(), store_path());
    expect_as_written(writer);
    write_file(scratch_ / "more", "more");
    const auto added = writer.archive().add({scratch_ / "more"}, {.name = "more"});
    ASSERT_TRUE(added.ok()) << added.error().message;
    const auto again = writer.archive().add({scratch_ / "more"}, {.name = "more", .force = true});
    EXPECT_EQ(again->new_blocks, 0u);
    ASSERT_TRUE(writer.close().ok());
  }
  Store store = open_store(posix_file_system(), store_path());
  expect_whole(store);
  EXPECT_EQ(store.archive().list()->size(), golden_versions().size() + 2);
}

TEST_P(GoldenStoreTest, ItsIndexIsRebuilt) {
  open_store(posix_file_system(), store_path());
  const auto report = StoreImpl::rebuild_index(posix_file_system(), store_path(), {});
  ASSERT_TRUE(report.ok()) << report.error().message;
  EXPECT_EQ(report->quarantined, 0u);
  Store store = open_store(posix_file_system(), store_path());
  EXPECT_EQ(store.info().recovery.records_replayed, 0u);
  expect_as_written(store);
}

INSTANTIATE_TEST_SUITE_P(Digests, GoldenStoreTest, ::testing::Values(DigestKind::blake3, DigestKind::xxh3_128),
                         [](const auto& of) { return of.param == DigestKind::blake3 ? "blake3" : "xxh3_128"; });

}  // namespace
}  // namespace cairn::testing
