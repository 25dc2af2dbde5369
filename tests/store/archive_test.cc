// SPDX-License-Identifier: Apache-2.0
//
// The whole way in and out, on the real file system.
#include <sys/stat.h>

#include <thread>

#include "engine/content/digester.h"
#include "tests/support/archive_fixture.h"

namespace cairn::testing {
namespace {

class ArchiveTest : public ::testing::Test {
 protected:
  void create(const CreateOptions& options = kSmallStore) {
    const Status created = StoreImpl::create(posix_file_system(), store_path(), options);
    ASSERT_TRUE(created.ok()) << created.error().message;
  }
  Store open(Access access = Access::read_write) { return open_store(posix_file_system(), store_path(), access); }
  std::string store_path() const { return scratch_ / "store"; }
  std::string input(const std::string& name) const { return scratch_ / ("in/" + name); }

  AddReport add(Store& store, const std::vector<std::string>& paths, AddOptions options = {}) {
    const auto report = store.archive().add(paths, options);
    EXPECT_TRUE(report.ok()) << report.error().message;
    return report.ok() ? *report : AddReport{};
  }

  ScratchFolder scratch_;
};

TEST_F(ArchiveTest, RestoresEveryByteOfAFolder) {
  create();
  const std::map<std::string, std::string> files = {
      {"in/model.safetensors", safetensors_of({{"a", bf16_weights(100'000, 1)}, {"b", bf16_weights(7, 2)}, {"c", ""}})},
      {"in/empty", ""},
      {"in/one", "x"},
      {"in/sub/random.bin", random_bytes(300'001, 3)},
      {"in/sub/deep/text", std::string(200'000, 'q')},
  };
  for (const auto& [name, content] : files) write_file(scratch_ / name, content);
  std::filesystem::create_symlink("../one", scratch_ / "in/sub/link");
  ::chmod((scratch_ / "in/one").c_str(), 0640);
  Store store = open();
  const AddReport report = add(store, {scratch_ / "in"}, {.name = "everything"});
  EXPECT_EQ(report.files, files.size());
  EXPECT_EQ(report.tensors, 3u);
  EXPECT_EQ(report.version, 1u);

  const auto restored = store.archive().restore("everything", {.to = scratch_ / "out", .only = {}});
  ASSERT_TRUE(restored.ok()) << restored.error().message;
  EXPECT_EQ(restored->files, files.size());
  for (const auto& [name, content] : files) {
    EXPECT_TRUE(read_file(scratch_ / ("out/" + name)) == content) << name;
    struct stat before {
    }, after{};
    ASSERT_EQ(::stat((scratch_ / name).c_str(), &before), 0);
    ASSERT_EQ(::stat((scratch_ / ("out/" + name)).c_str(), &after), 0);
    EXPECT_EQ(before.st_mode, after.st_mode) << name;
    EXPECT_EQ(before.st_mtim.tv_nsec, after.st_mtim.tv_nsec) << name;
  }
  EXPECT_EQ(std::filesystem::read_symlink(scratch_ / "out/in/sub/link"), "../one");
  expect_whole(store);
}

TEST_F(ArchiveTest, IdOfAFileIsTheDigestOfItsBytes) {
  for (const DigestKind kind : {DigestKind::blake3, DigestKind::xxh3_128}) {
    ScratchFolder folder;
    CreateOptions options = kSmallStore;
    options.digest = kind;
    ASSERT_TRUE(StoreImpl::create(posix_file_system(), folder / "s", options).ok());
    const std::map<std::string, std::string> files = {
        {"one_block", random_bytes(1000, 4)},
        {"many_blocks", random_bytes(500'000, 5)},
        {"model.safetensors", safetensors_of({{"w", bf16_weights(200'000, 6)}})},
        {"empty", ""},
    };
    Store store = open_store(posix_file_system(), folder / "s");
    for (const auto& [name, content] : files) {
      write_file(folder / name, content);
      add(store, {folder / name}, {.name = name});
      const auto entries = store.archive().entries(name);
      ASSERT_TRUE(entries.ok() && entries->size() == 1);
      EXPECT_EQ(entries->front().id, to_text(kind, digest_of(kind, as_bytes(content)))) << name;
    }
  }
}

TEST_F(ArchiveTest, KnownContentIsNotStoredAgain) {
  create();
  write_file(input("m.safetensors"), safetensors_of({{"w", bf16_weights(400'000, 7)}}));
  Store store = open();
  const AddReport first = add(store, {input("m.safetensors")});
  EXPECT_GT(first.new_blocks, 10u);
  const AddReport second = add(store, {input("m.safetensors")}, {.force = true});
  EXPECT_EQ(second.version, 2u);
  EXPECT_EQ(second.new_blocks, 0u);
  EXPECT_EQ(second.new_bytes, 0u);
  EXPECT_EQ(second.known_blocks, first.new_blocks);
  EXPECT_LT(second.stored_bytes, 16u * 1024);
}

TEST_F(ArchiveTest, SharedTensorsAreStoredOnceWhereverTheyLie) {
  create();
  const std::string shared = bf16_weights(300'000, 8);
  write_file(input("a.safetensors"), safetensors_of({{"own", bf16_weights(10, 9)}, {"shared", shared}}));
  write_file(input("b.safetensors"), safetensors_of({{"another", bf16_weights(123'456, 10)}, {"zshared", shared}}));
  Store store = open();
  add(store, {input("a.safetensors")}, {.name = "a"});
  const AddReport second = add(store, {input("b.safetensors")}, {.name = "b"});
  EXPECT_LT(second.new_bytes, 123'456u * 2 + 2000);
  const auto tensor_a = store.archive().find_tensor("a", "shared");
  const auto tensor_b = store.archive().find_tensor("b", "zshared");
  ASSERT_TRUE(tensor_a.ok() && tensor_b.ok());
  EXPECT_EQ(tensor_a->id, tensor_b->id);
}

TEST_F(ArchiveTest, AnUnchangedFileIsNotReadAgain) {
  create();
  write_file(input("f"), random_bytes(100'000, 11));
  // Old enough that its times are to be believed.
  const auto past = std::filesystem::file_time_type::clock::now() - std::chrono::hours(1);
  std::filesystem::last_write_time(input("f"), past);
  Store store = open();
  std::this_thread::sleep_for(std::chrono::milliseconds(2100));  // the change time cannot be set back
  add(store, {input("f")});
  EXPECT_EQ(add(store, {input("f")}).unchanged_files, 1u);
  EXPECT_EQ(add(store, {input("f")}, {.force = true}).unchanged_files, 0u);
  write_file(input("f"), random_bytes(100'000, 12));
  EXPECT_EQ(add(store, {input("f")}).unchanged_files, 0u);
}

TEST_F(ArchiveTest, TheIndexIsRebuiltFromTheLogAlone) {
  create();
  const std::string content = safetensors_of({{"w", bf16_weights(500'000, 13)}});
  write_file(input("m.safetensors"), content);
  {
    Store store = open();
    add(store, {input("m.safetensors")}, {.tags = {{"k", "v"}}});
    ASSERT_TRUE(store.close().ok());
  }
  std::filesystem::remove_all(store_path() + "/index");
  const auto repaired = Store::rebuild_index(store_path());
  ASSERT_TRUE(repaired.ok()) << repaired.error().message;
  EXPECT_GT(repaired->records_replayed, 10u);
  EXPECT_EQ(repaired->quarantined, 0u);
  Store store = open();
  EXPECT_EQ(store.info().recovery.records_replayed, 0u);
  expect_whole(store);
  const auto files = read_version(store, "m.safetensors");
  ASSERT_TRUE(files.ok()) << files.error().message;
  EXPECT_TRUE(files->at("m.safetensors") == content);
  EXPECT_EQ(store.archive().resolve("m.safetensors")->tags.at("k"), "v");
}

TEST_F(ArchiveTest, OpeningAndClosingChangesNothing) {
  create();
  write_file(input("a"), random_bytes(50'000, 21));
  {
    Store store = open();
    add(store, {input("a")});
    ASSERT_TRUE(store.close().ok());
  }
  const std::string log = read_file(store_path() + "/log/00000001.seg");
  const std::string guard = read_file(store_path() + "/index/GUARD");
  for (int round = 0; round < 3; ++round) {
    Store store = open();
    EXPECT_EQ(store.info().recovery.records_replayed, 0u);
    ASSERT_TRUE(store.close().ok());
    EXPECT_TRUE(read_file(store_path() + "/log/00000001.seg") == log);
    EXPECT_TRUE(read_file(store_path() + "/index/GUARD") == guard) << "the index was checkpointed for nothing";
  }
}

TEST_F(ArchiveTest, ALostHeaderIsRepairedFromTheLog) {
  create();
  write_file(input("f"), random_bytes(1000, 14));
  {
    Store store = open();
    add(store, {input("f")});
  }
  std::filesystem::remove(store_path() + "/STORE");
  const auto refused = Store::open(store_path());
  ASSERT_FALSE(refused.ok());
  EXPECT_EQ(refused.error().code, ErrorCode::corruption);
  ASSERT_TRUE(Store::rebuild_index(store_path()).ok());
  Store store = open();
  expect_whole(store);
}

TEST_F(ArchiveTest, ASecondWriterIsRefusedAndReadersAreNot) {
  create();
  write_file(input("f"), random_bytes(100'000, 15));
  Store store = open();
  add(store, {input("f")});
  const auto second = Store::open(store_path());
  ASSERT_FALSE(second.ok());
  EXPECT_EQ(second.error().code, ErrorCode::held);
  EXPECT_NE(second.error().message.find(std::to_string(::getpid())), std::string::npos) << second.error().message;
  Store reader = open(Access::read_only);
  expect_whole(reader);
  EXPECT_EQ(reader.archive().list()->size(), 1u);
  const auto refused = reader.archive().add({input("f")}, {});
  ASSERT_FALSE(refused.ok());
  EXPECT_EQ(refused.error().code, ErrorCode::invalid_argument);
}

TEST_F(ArchiveTest, AnInterruptedAddGoesOnWhereItWas) {
  create();
  write_file(input("m.safetensors"), safetensors_of({{"w", bf16_weights(2'000'000, 16)}}));
  Store store = open();
  std::stop_source stop;
  Progress progress;
  progress.stop = stop.get_token();
  std::uint64_t reported = 0;
  progress.report = [&](const ProgressState& state) {
    if (std::string(state.phase) == "add" && state.bytes_done > 0) {
      reported = state.bytes_done;
      stop.request_stop();
    }
  };
  // Slow enough that the first report, after 100 ms, comes before the end.
  const auto interrupted =
      store.archive().add({input("m.safetensors")}, {.codec = Codec::zstd, .zstd_level = 19}, progress);
  ASSERT_FALSE(interrupted.ok());
  EXPECT_EQ(interrupted.error().code, ErrorCode::cancelled);
  EXPECT_TRUE(store.archive().list()->empty());
  const AddReport again = add(store, {input("m.safetensors")});
  EXPECT_GT(again.known_blocks, 0u);
  EXPECT_GT(reported, 0u);
  expect_whole(store);
}

TEST_F(ArchiveTest, DryRunWritesNothing) {
  create();
  write_file(input("f"), random_bytes(200'000, 17));
  Store store = open();
  const AddReport dry = add(store, {input("f")}, {.dry_run = true});
  EXPECT_EQ(dry.new_bytes, 200'000u);
  EXPECT_EQ(dry.stored_bytes, 0u);
  EXPECT_EQ(dry.version, 0u);
  EXPECT_TRUE(store.archive().list()->empty());
  EXPECT_EQ(store.stats()->blocks, 0u);
}

TEST_F(ArchiveTest, WhatCannotBeReadIsLeftOutAndNamed) {
  create();
  write_file(input("good"), "good");
  ASSERT_EQ(::mkfifo(input("fifo").c_str(), 0600), 0);
  Store store = open();
  std::vector<std::string> problems;
  Progress progress;
  progress.problem = [&](const std::string& thing, const std::string&) { problems.push_back(thing); };
  const auto report = store.archive().add({scratch_ / "in"}, {.name = "x"}, progress);
  ASSERT_TRUE(report.ok()) << report.error().message;
  EXPECT_EQ(report->unreadable, 1u);
  EXPECT_EQ(report->files, 1u);
  ASSERT_EQ(problems.size(), 1u);
  EXPECT_NE(problems.front().find("fifo"), std::string::npos);
}

TEST_F(ArchiveTest, NamesThatAreNotThereAreNotFound) {
  create();
  Store store = open();
  EXPECT_EQ(store.archive().resolve("nothing").error().code, ErrorCode::not_found);
  EXPECT_EQ(store.archive().resolve("nothing@1").error().code, ErrorCode::not_found);
  EXPECT_EQ(store.archive().resolve("a@b").error().code, ErrorCode::invalid_argument);
  EXPECT_EQ(store.archive().add({scratch_ / "missing"}, {}).error().code, ErrorCode::io);
}

TEST_F(ArchiveTest, FoldersThatAreNoStoreAreToldApart) {
  EXPECT_EQ(Store::open(scratch_ / "missing").error().code, ErrorCode::no_store);
  std::filesystem::create_directory(scratch_ / "empty");
  EXPECT_EQ(Store::open(scratch_ / "empty").error().code, ErrorCode::no_store);
  write_file(scratch_ / "full/file", "x");
  EXPECT_EQ(Store::create(scratch_ / "full").error().code, ErrorCode::already_exists);
  create();
  EXPECT_EQ(Store::create(store_path()).error().code, ErrorCode::already_exists);
  const std::string header = read_file(store_path() + "/STORE");
  std::string newer = header;
  newer.replace(newer.find("format_version 1"), 16, "format_version 2");
  write_file(store_path() + "/STORE", newer);
  EXPECT_EQ(Store::open(store_path()).error().code, ErrorCode::unsupported);
}

TEST_F(ArchiveTest, DiffTellsTensorsApart) {
  create();
  std::string w = bf16_weights(100'000, 18);
  write_file(input("m.safetensors"), safetensors_of({{"same", w}, {"other", w}, {"gone", bf16_weights(10, 19)}}));
  Store store = open();
  add(store, {input("m.safetensors")}, {.name = "m"});
  std::string changed = w;
  changed[1] = static_cast<char>(changed[1] ^ 1);  // doubles or halves the first weight
  write_file(input("m.safetensors"), safetensors_of({{"same", w}, {"other", changed}, {"new", bf16_weights(10, 20)}}));
  add(store, {input("m.safetensors")}, {.name = "m"});
  const auto diff = store.archive().diff("m@1", "m@2");
  ASSERT_TRUE(diff.ok()) << diff.error().message;
  EXPECT_EQ(diff->same, 1u);
  EXPECT_EQ(diff->changed, 1u);
  EXPECT_EQ(diff->added, 1u);
  EXPECT_EQ(diff->removed, 1u);
  const auto other =
      std::find_if(diff->changes.begin(), diff->changes.end(), [](const TensorChange& c) { return c.name == "other"; });
  ASSERT_NE(other, diff->changes.end());
  EXPECT_EQ(other->changed_bytes, kSmallStore.block_bytes);
  ASSERT_TRUE(other->max_abs_difference && other->mean_abs_difference);
  EXPECT_GT(*other->max_abs_difference, 0.0);
  EXPECT_DOUBLE_EQ(*other->mean_abs_difference, *other->max_abs_difference / 100'000);
}

TEST_F(ArchiveTest, TagsAreSetAndRemoved) {
  create();
  write_file(input("f"), "x");
  Store store = open();
  add(store, {input("f")}, {.tags = {{"a", "1"}, {"b", "2"}}});
  EXPECT_EQ(store.archive().tag("f", {{"a", std::string(1 << 20, 'x')}}).error().code, ErrorCode::invalid_argument);
  const auto tagged = store.archive().tag("f", {{"a", ""}, {"c", "3"}});
  ASSERT_TRUE(tagged.ok()) << tagged.error().message;
  EXPECT_EQ(tagged->tags, (Tags{{"b", "2"}, {"c", "3"}}));
  ASSERT_TRUE(store.close().ok());
  Store reopened = open();
  EXPECT_EQ(reopened.archive().resolve("f@1")->tags, (Tags{{"b", "2"}, {"c", "3"}}));
}

TEST_F(ArchiveTest, ADamagedFileIsNamedAndTheOthersAreRestored) {
  create();
  write_file(input("bad"), random_bytes(50'000, 21));
  write_file(input("good"), random_bytes(50'000, 22));
  {
    Store store = open();
    add(store, {scratch_ / "in"}, {.name = "x", .codec = Codec::none});
  }
  const std::string segment = store_path() + "/log/00000001.seg";
  std::string bytes = read_file(segment);
  const std::size_t at = bytes.find(random_bytes(50'000, 21).substr(0, 64));
  ASSERT_NE(at, std::string::npos);
  bytes[at + 1000] = static_cast<char>(bytes[at + 1000] ^ 4);
  write_file(segment, bytes);
  Store store = open();
  const auto check = store.check({.read_data = true});
  ASSERT_TRUE(check.ok());
  ASSERT_EQ(check->damaged.size(), 1u);
  EXPECT_EQ(check->damaged.front().affected, std::vector<std::string>{"x@1:in/bad"});
  std::string why;
  Progress progress;
  progress.problem = [&](const std::string&, const std::string& message) { why = message; };
  const auto restored = store.archive().restore("x", {.to = scratch_ / "out", .only = {}}, progress);
  ASSERT_TRUE(restored.ok()) << restored.error().message;
  EXPECT_EQ(restored->damaged, 1u);
  // The block and its place, not only the file that has it.
  EXPECT_NE(why.find(" in segment 1 at "), std::string::npos) << why;
  EXPECT_FALSE(std::filesystem::exists(scratch_ / "out/in/bad"));
  EXPECT_TRUE(read_file(scratch_ / "out/in/good") == random_bytes(50'000, 22));
}

}  // namespace
}  // namespace cairn::testing
