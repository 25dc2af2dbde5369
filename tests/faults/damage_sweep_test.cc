// SPDX-License-Identifier: Apache-2.0
//
// Every byte of a small store is damaged in turn, every file cut short at many lengths and
// taken away: what comes back is an error, a report, or exactly what was put in. Never
// other bytes, never a crash, never a hang.
#include <algorithm>
#include <atomic>

#include "engine/log/segment_files.h"
#include "tests/faults/child_process.h"
#include "tests/support/sim_file_system.h"
#include "tests/support/sim_survival.h"
#include "tests/support/store_scenario.h"
#include "tests/support/sweep_step.h"

namespace cairn::testing {
namespace {

constexpr char kStore[] = "store";
constexpr std::uint64_t kSmallFile = 512;
using Versions = std::map<std::string, std::map<std::string, std::string>>;  // name@version: files
struct PutObject {
  std::string content, name;
};
using Objects = std::map<std::string, PutObject>;  // put directly, by id

// A closed store of a few segments, some of them sealed, all in some tens of KiB: blocks
// and segments are smaller than any that create() makes, and mean the same.
class TinyStore {
 public:
  explicit TinyStore(const ScratchFolder& inputs) {
    const StoreLayout layout(kStore);
    const StoreHeader header{.uuid = StoreUuid{std::byte{7}, std::byte{1}},
                             .digest = DigestKind::blake3,
                             .block_bytes = 4096,
                             .segment_bytes = 32 * 1024};
    must(fs.create_directory(layout.folder));
    must(fs.create_directory(layout.log()));
    must(write_file_atomically(fs, layout.header(), as_bytes(encode_store_header(header))));
    Store store = open_store(fs, kStore);
    const std::string shared = bf16_weights(1500, 1);
    add(store, inputs, "model", {{"m.safetensors", safetensors_of({{"a", bf16_weights(900, 2)}, {"s", shared}})}});
    add(store, inputs, "data", {{"opaque", random_bytes(9000, 3)}, {"empty", ""}, {"same", std::string(5000, 'x')}});
    add(store, inputs, "model", {{"m.safetensors", safetensors_of({{"b", bf16_weights(600, 4)}, {"s", shared}})}});
    add(store, inputs, "data", {{"opaque", random_bytes(9000, 3) + "tail"}});
    must(store.archive().tag("data@2", {{"k", "v"}}));
    put(store, random_bytes(9000, 5), {}, "several blocks");
    put(store, bf16_weights(700, 6), TensorLayout{.dtype = DType::bf16, .shape = {7, 100}}, "tensor");
    put(store, "small", {}, "");
    must(store.close());
  }

  SimFileSystem fs;
  Versions versions;
  Objects objects;

  // Every file but the lock, which says nothing.
  std::vector<std::pair<std::string, std::uint64_t>> files() {
    std::vector<std::pair<std::string, std::uint64_t>> out;
    const StoreLayout layout(kStore);
    out.emplace_back(layout.header(), fs.info(layout.header())->size);
    for (const std::string& folder : {layout.log(), layout.index()}) {
      const auto names = fs.list_directory(folder);
      if (!names.ok()) std::abort();
      for (const std::string& name : *names) {
        const std::string path = folder + "/" + name;
        out.emplace_back(path, fs.info(path)->size);
      }
    }
    return out;
  }

 private:
  template <class T>
  static void must(const Result<T>& result) {
    if (result.ok()) return;
    std::fprintf(stderr, "%s\n", result.error().message.c_str());
    std::abort();
  }

  void add(Store& store, const ScratchFolder& inputs, const std::string& name,
           const std::map<std::string, std::string>& files) {
    std::vector<std::string> paths;
    for (const auto& [file, content] : files) {
      paths.push_back(inputs / (std::to_string(versions.size()) + "/" + file));
      write_file(paths.back(), content);
    }
    const auto added = store.archive().add(paths, {.name = name, .force = true});
    must(added);
    versions[name + "@" + std::to_string(added->version)] = files;
  }

  void put(Store& store, const std::string& content, std::optional<TensorLayout> tensor, const std::string& name) {
    const auto id = store.put({.bytes = std::as_bytes(std::span(content)), .tensor = std::move(tensor), .name = name});
    must(id);
    objects[*id] = {content, name};
  }
};

struct Outcome {
  bool reported = false;  // an error, damage found, or an index that was rebuilt
  bool torn = false;      // something at the log's end was taken for an unfinished write
  std::string silent;     // what came back wrong without a word; empty: nothing
};

void read_versions(Store& store, const Versions& versions, Outcome& outcome) {
  const auto refs = store.archive().list();
  if (!refs.ok()) outcome.reported = true;
  for (const auto& [ref, files] : versions) {
    const auto read = read_version(store, ref);
    if (!read.ok() && read.error().code != ErrorCode::not_found) {
      outcome.reported = true;
    } else if (!read.ok()) {
      if (!outcome.reported) outcome.silent = ref + " is gone: " + read.error().message;
    } else if (*read != files) {
      outcome.silent = ref + " has other content";
      return;
    }
  }
  if (refs.ok() && refs->size() != versions.size() && !outcome.reported) {
    outcome.silent = std::to_string(refs->size()) + " versions";
  }
}

void read_objects(Store& store, const Objects& objects, Outcome& outcome) {
  for (const auto& [id, object] : objects) {
    const auto read = store.get(id);
    if (!read.ok() && read.error().code != ErrorCode::not_found) {
      outcome.reported = true;
    } else if (!read.ok()) {
      if (!outcome.reported) outcome.silent = id + " is gone: " + read.error().message;
    } else if (!std::ranges::equal(*read, std::as_bytes(std::span(object.content)))) {
      outcome.silent = id + " has other content";
      return;
    }
  }
  const auto page = store.list();
  if (!page.ok()) outcome.reported = true;
  if (!page.ok() || outcome.reported) return;
  bool same = page->objects.size() == objects.size();
  for (const Object& object : page->objects) {
    const auto expected = objects.find(object.id);
    same = same && expected != objects.end() && object.names.size() == 1 &&
           object.names.front().name == expected->second.name;
  }
  if (!same) outcome.silent = "other objects are listed";
}

// Reads all there is. An error from a read counts as said; wrong bytes never do.
void read_everything(Store& store, const TinyStore& tiny, Outcome& outcome) {
  read_versions(store, tiny.versions, outcome);
  if (outcome.silent.empty()) read_objects(store, tiny.objects, outcome);
}

Outcome look(FileSystem& fs, const TinyStore& tiny, Access access) {
  Outcome outcome;
  auto impl = StoreImpl::open(fs, kStore, {.access = access, .threads = 1}, {});
  if (!impl.ok()) {
    outcome.reported = true;
    if (impl.error().message.empty()) outcome.silent = "an error without a message";
    return outcome;
  }
  const RecoveryReport& recovery = (*impl)->info().recovery;
  outcome.reported = recovery.index_rebuilt || !recovery.damage.empty();
  outcome.torn = recovery.torn_bytes > 0;
  Store store = StoreImpl::handle(std::move(impl).value());
  const auto check = store.check({.read_data = true});
  if (!check.ok() || !check->damaged.empty()) outcome.reported = true;
  read_everything(store, tiny, outcome);
  return outcome;
}

// What is in the index is in the log as well: a writer puts it right by itself.
std::string wrong_after_index_damage(const TinyStore& tiny, SimFileSystem& damaged) {
  {
    const Outcome writer = look(damaged, tiny, Access::read_write);
    if (!writer.silent.empty()) return "for a writer " + writer.silent;
  }
  auto impl = StoreImpl::open(damaged, kStore, {.threads = 1}, {});
  if (!impl.ok()) return "a writer does not open it again: " + impl.error().message;
  Store store = StoreImpl::handle(std::move(impl).value());
  if (!store.info().recovery.damage.empty()) return "the log is damaged: " + store.info().recovery.damage.front();
  Outcome outcome;
  read_everything(store, tiny, outcome);
  if (!outcome.silent.empty() || outcome.reported) return "after a writer opened it, it is not whole";
  return {};
}

bool is_in_index(const std::string& path) { return path.find("/index/") != std::string::npos; }

// Shared with the processes that do the work.
struct Tally {
  std::atomic<std::uint64_t> flips, cuts, removals, repairs, reported, harmless;
  char at[256];  // what is being tried, for when it kills
};

// Tries what the `share`-th of `shares` processes has to try.
class Sweep {
 public:
  Sweep(Tally& tally, const ScratchFolder& inputs, std::size_t share, std::size_t shares)
      : tally_(tally), tiny_(inputs), share_(share), shares_(shares) {}

  // A bit of one in `of` bytes. Returns what is wrong.
  std::string flip(std::uint64_t seed, std::size_t of) {
    std::uint64_t position = 0;
    for (const auto& [path, size] : tiny_.files()) {
      for (std::uint64_t offset = 0; offset < size; ++offset, ++position) {
        // Small files say much with each byte: quick runs take all of them.
        const bool chosen = size <= kSmallFile || mix(seed, position) % of == 0;
        if (!chosen || position / of % shares_ != share_) continue;
        const unsigned bit = static_cast<unsigned>(mix(seed, position, 1) % 8);
        say("bit " + std::to_string(bit) + " of " + path + " at " + std::to_string(offset));
        if (!tiny_.fs.flip_bit(path, offset, bit).ok()) return "cannot be flipped";
        if (std::string wrong = judge(tiny_.fs, path); !wrong.empty()) return wrong;
        ++tally_.flips;
        // A writer changes files, so it gets a disk of its own; it is slower, so a share.
        if (is_in_index(path) && mix(seed, position, 2) % 8 == 0) {
          if (std::string wrong = repair(); !wrong.empty()) return wrong;
        }
        if (!tiny_.fs.flip_bit(path, offset, bit).ok()) return "cannot be flipped back";
      }
    }
    return {};
  }

  // The same for the log of a store that has lost its index: then nothing but the log can say
  // what it promised. Nothing may be taken for a torn write, except the witness itself, whose
  // loss loses nothing.
  std::string flip_without_index(std::uint64_t seed, std::size_t of) {
    const auto fs = tiny_.fs.survivor(1, Loss::keep_all);
    const StoreLayout layout(kStore);
    if (!Index::destroy(*fs, layout.index()).ok()) return "the index cannot be removed";
    const auto segments = list_segments(*fs, layout.log());
    if (!segments.ok()) return "no log";
    std::uint64_t position = 0;
    for (const std::uint32_t segment : *segments) {
      const std::string path = segment_path(layout.log(), segment);
      const std::uint64_t size = fs->info(path)->size;
      const std::uint64_t witness = segment == segments->back() ? size - kPageBytes : size;
      for (std::uint64_t offset = 0; offset < size; ++offset, ++position) {
        if (mix(seed, position) % of != 0 || position / of % shares_ != share_) continue;
        const unsigned bit = static_cast<unsigned>(mix(seed, position, 1) % 8);
        say("without an index, bit " + std::to_string(bit) + " of " + path + " at " + std::to_string(offset));
        if (!fs->flip_bit(path, offset, bit).ok()) return "cannot be flipped";
        const Outcome outcome = look(*fs, tiny_, Access::read_only);
        if (!outcome.silent.empty()) return outcome.silent;
        if (outcome.torn != (offset >= witness)) return outcome.torn ? "is cut off" : "the witness is not missed";
        if (outcome.torn && outcome.reported) return "the loss of the witness is damage";
        ++(outcome.reported ? tally_.reported : tally_.harmless);
        ++tally_.flips;
        if (!fs->flip_bit(path, offset, bit).ok()) return "cannot be flipped back";
      }
    }
    return {};
  }

  std::string cut(std::uint64_t seed, std::size_t lengths) {
    for (const auto& [path, size] : tiny_.files()) {
      for (std::size_t i = share_; i < lengths; i += shares_) {
        // Whole pages, the ends and any length: damage likes boundaries.
        std::uint64_t length = size == 0 ? 0 : mix(seed, size, i) % size;
        if (i % 3 == 0) length = length / 4096 * 4096;
        if (i == 0) length = 0;
        if (i == 1 && size > 0) length = size - 1;
        say(path + " cut from " + std::to_string(size) + " to " + std::to_string(length));
        const auto fs = tiny_.fs.survivor(1, Loss::keep_all);
        auto file = fs->open(path, {.write = true});
        if (!file.ok() || !(*file)->truncate(length).ok() || !(*file)->sync().ok()) return "cannot be cut";
        file->reset();
        if (std::string wrong = judge_copy(*fs, path); !wrong.empty()) return wrong;
        ++tally_.cuts;
      }
    }
    return {};
  }

  std::string remove() {
    if (share_ != 0) return {};
    for (const auto& [path, size] : tiny_.files()) {
      say(path + " removed");
      const auto fs = tiny_.fs.survivor(1, Loss::keep_all);
      if (!fs->remove_file(path).ok()) return "cannot be removed";
      if (std::string wrong = judge_copy(*fs, path); !wrong.empty()) return wrong;
      ++tally_.removals;
    }
    return {};
  }

 private:
  void say(const std::string& what) { std::snprintf(tally_.at, sizeof(tally_.at), "%s", what.c_str()); }

  std::string judge(SimFileSystem& fs, const std::string& path) {
    const Outcome outcome = look(fs, tiny_, Access::read_only);
    ++(outcome.reported ? tally_.reported : tally_.harmless);
    // What the header says decides how the store is written: no byte of it may be in doubt.
    if (!outcome.reported && path == StoreLayout(kStore).header()) return "the header is believed";
    return outcome.silent;
  }

  std::string judge_copy(SimFileSystem& fs, const std::string& path) {
    if (std::string wrong = judge(fs, path); !wrong.empty()) return wrong;
    if (!is_in_index(path)) return {};
    ++tally_.repairs;
    return wrong_after_index_damage(tiny_, fs);
  }

  std::string repair() {
    ++tally_.repairs;
    const auto fs = tiny_.fs.survivor(1, Loss::keep_all);
    return wrong_after_index_damage(tiny_, *fs);
  }

  Tally& tally_;
  TinyStore tiny_;
  const std::size_t share_, shares_;
};

class DamageSweepTest : public ::testing::Test {
 protected:
  // A damaged store may kill the process that opens it: then it is known which damage did.
  void in_shares(std::size_t shares, const std::function<std::string(Sweep&)>& work) {
    for (std::size_t share = 0; share < shares; ++share) {
      const ChildEnd end = run_in_child(
          [&] {
            Sweep sweep(*tally_, inputs_, share, shares);
            return work(sweep);
          },
          std::chrono::seconds(300));
      ASSERT_FALSE(end.timed_out) << "hangs: " << tally_->at;
      ASSERT_TRUE(end.ended_well()) << "signal " << end.signal << ": " << tally_->at;
      ASSERT_TRUE(end.said.empty()) << tally_->at << ": " << end.said;
    }
  }

  ScratchFolder inputs_;
  Shared<Tally> tally_;
};

TEST_F(DamageSweepTest, NoFlippedBitChangesWhatIsReadSilently) {
  if (!in_fresh_process()) return;
  const std::uint64_t seed = test_seed(5);
  in_shares(scaled(2, 16), [&](Sweep& sweep) { return sweep.flip(seed, sweep_step(40, 3)); });
  std::printf(
      "%lu flips: %lu reported, %lu harmless, 0 silent, 0 crashes; %lu indexes put right; CAIRN_TEST_SEED=%lu\n",
      tally_->flips.load(), tally_->reported.load(), tally_->harmless.load(), tally_->repairs.load(), seed);
  EXPECT_GT(tally_->reported.load(), tally_->harmless.load());
}

TEST_F(DamageSweepTest, AClosedLogIsNeverCutWhateverBitFlipsAndTheIndexIsLost) {
  if (!in_fresh_process()) return;
  const std::uint64_t seed = test_seed(9);
  in_shares(scaled(4, 16), [&](Sweep& sweep) { return sweep.flip_without_index(seed, sweep_step(50, 6)); });
  std::printf("%lu flips in logs without an index: %lu reported, %lu harmless, 0 cut; CAIRN_TEST_SEED=%lu\n",
              tally_->flips.load(), tally_->reported.load(), tally_->harmless.load(), seed);
  EXPECT_GT(tally_->reported.load(), tally_->harmless.load());
}

TEST_F(DamageSweepTest, NoFileCutShortOrMissingChangesWhatIsReadSilently) {
  if (!in_fresh_process()) return;
  const std::uint64_t seed = test_seed(6);
  in_shares(scaled(1, 4), [&](Sweep& sweep) {
    std::string wrong = sweep.cut(seed, scaled(12, 400));
    return wrong.empty() ? sweep.remove() : wrong;
  });
  std::printf("%lu cuts, %lu removals: %lu reported, %lu harmless, 0 silent; CAIRN_TEST_SEED=%lu\n",
              tally_->cuts.load(), tally_->removals.load(), tally_->reported.load(), tally_->harmless.load(), seed);
}

}  // namespace
}  // namespace cairn::testing
