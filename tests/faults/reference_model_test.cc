// SPDX-License-Identifier: Apache-2.0
//
// Random operations on a store and on a std::map beside it: whatever the order of adding,
// tagging, reading, closing, losing the index and losing power, the two agree. Quick runs
// do a few thousand operations, CAIRN_TEST_SCALE=long what four minutes allow, up to a million.
#include <chrono>
#include <set>

#include "tests/support/sim_file_system.h"
#include "tests/support/store_scenario.h"

namespace cairn::testing {
namespace {

constexpr char kStore[] = "store";
// A store is given up for a new one at this many versions: reading all of them is slow.
constexpr std::size_t kVersionsMax = 60;
// Two blocks and a bit, so that some files have a list of blocks.
constexpr std::size_t kFileBytesMax = 150'000;

using Files = std::map<std::string, std::string>;

struct Version {
  Files files;
  Tags tags;
  friend bool operator==(const Version&, const Version&) = default;
};
// Of each name, its versions from 1 on.
using Model = std::map<std::string, std::vector<Version>>;

std::string ref_of(const std::string& name, std::size_t version) { return name + "@" + std::to_string(version); }

// Small files, many of which share tensors or bytes with others.
class InputPool {
 public:
  explicit InputPool(std::uint64_t seed) {
    std::mt19937_64 random(seed);
    std::vector<std::string> tensors;
    for (std::size_t i = 0; i < 12; ++i) tensors.push_back(bf16_weights(1 + random() % (kFileBytesMax / 4), random()));
    for (std::size_t i = 0; i < 40; ++i) {
      std::string content;
      switch (random() % 5) {
        case 0: content = random_bytes(random() % kFileBytesMax, random()); break;
        case 1: content = std::string(random() % kFileBytesMax, static_cast<char>(random())); break;
        case 2: content = random_bytes(random() % 20, random()); break;
        default: {
          std::map<std::string, std::string> chosen;
          for (std::size_t t = 0; t < 1 + random() % 4; ++t) {
            chosen["t" + std::to_string(t)] = tensors[random() % tensors.size()];
          }
          content = safetensors_of(chosen);
        }
      }
      // Few names, so that a name's content changes from version to version.
      const std::string name = "f" + std::to_string(random() % 6) + ".safetensors";
      const std::string path = folder_ / (std::to_string(i) + "/" + name);
      write_file(path, content);
      files_.push_back({path, name, std::move(content)});
    }
  }

  struct File {
    std::string path, name, content;
  };
  // One to three files, no two of the same name.
  std::vector<const File*> choose(std::mt19937_64& random) const {
    std::vector<const File*> chosen;
    std::set<std::string> names;
    const std::size_t wanted = 1 + random() % 3;
    while (chosen.size() < wanted) {
      const File& file = files_[random() % files_.size()];
      if (names.insert(file.name).second) chosen.push_back(&file);
    }
    return chosen;
  }

 private:
  ScratchFolder folder_;
  std::vector<File> files_;
};

class ModelledStore {
 public:
  ModelledStore(const InputPool& pool, std::uint64_t seed) : pool_(pool), random_(seed), fs_({.seed = seed}) {
    const Status created = StoreImpl::create(fs_, kStore, kSmallStore);
    EXPECT_TRUE(created.ok()) << created.error().message;
    reopen();
  }

  // Returns what does not agree, or nothing.
  std::string step() {
    ++operations;
    if (random_() % 1000 < kDisturbed) return disturb();
    const std::uint64_t dice = random_() % 910;
    if (dice < 300) return add();
    if (dice < 420) return tag();
    if (dice < 760) return read_back();
    if (dice < 850) return list();
    return diff();
  }

  std::string finish() {
    for (const auto& [name, versions] : model_) {
      for (std::size_t v = 1; v <= versions.size(); ++v) {
        if (std::string wrong = compare(name, v); !wrong.empty()) return wrong;
      }
    }
    std::string wrong = list();
    return wrong.empty() ? check() : wrong;
  }

  std::size_t versions() const {
    std::size_t count = 0;
    for (const auto& [name, list] : model_) count += list.size();
    return count;
  }

  std::uint64_t operations = 0;
  std::string trace() const { return fs_.trace(); }

 private:
  // What add() and tag() are about to do.
  struct Change {
    std::string name;
    std::size_t version = 0;
    Version after;
  };

  // Opening a store takes as long as ten other operations, and each of these opens one or
  // reads all there is: long runs do more of everything, but of these fewer in a thousand.
  const std::uint64_t kDisturbed = scaled(90, 25);
  std::string disturb() {
    const std::uint64_t dice = random_() % 90;
    if (dice < 40) return close_and_reopen();
    if (dice < 55) return lose_index();
    if (dice < 80) return lose_power();
    return check();
  }

  void reopen() {
    store_.reset();
    auto impl = StoreImpl::open(fs_, kStore, {.threads = 2}, {});
    if (!impl.ok()) {
      open_error_ = "open: " + impl.error().message;
      return;
    }
    for (const std::string& place : (*impl)->info().recovery.damage) open_error_ = "recovery found damage: " + place;
    store_.emplace(StoreImpl::handle(std::move(impl).value()));
  }

  std::string random_name() { return std::string(1, static_cast<char>('a' + random_() % 5)); }
  // A version there is, if any.
  std::optional<std::pair<std::string, std::size_t>> random_version() {
    if (model_.empty()) return std::nullopt;
    auto at = model_.begin();
    std::advance(at, static_cast<std::ptrdiff_t>(random_() % model_.size()));
    return std::pair(at->first, 1 + random_() % at->second.size());
  }

  Change plan_add(std::vector<std::string>& paths, AddOptions& options) {
    Change change{.name = random_name()};
    for (const InputPool::File* file : pool_.choose(random_)) {
      paths.push_back(file->path);
      change.after.files[file->name] = file->content;
    }
    if (random_() % 3 == 0) change.after.tags["t"] = std::to_string(random_() % 100);
    constexpr Codec kCodecs[] = {Codec::automatic, Codec::none, Codec::lz4, Codec::zstd};
    options = {
        .name = change.name, .tags = change.after.tags, .codec = kCodecs[random_() % 4], .force = random_() % 2 == 0};
    const auto known = model_.find(change.name);
    change.version = 1 + (known == model_.end() ? 0 : known->second.size());
    return change;
  }

  void accept(const Change& change) {
    std::vector<Version>& versions = model_[change.name];
    if (change.version > versions.size()) versions.emplace_back();
    versions[change.version - 1] = change.after;
  }

  std::string add() {
    std::vector<std::string> paths;
    AddOptions options;
    const Change change = plan_add(paths, options);
    const auto added = store_->archive().add(paths, options);
    if (!added.ok()) return "add: " + added.error().message;
    if (added->version != change.version) return "add made version " + std::to_string(added->version);
    accept(change);
    return {};
  }

  std::optional<Change> plan_tag(Tags& changes) {
    const auto chosen = random_version();
    if (!chosen) return std::nullopt;
    Change change{.name = chosen->first, .version = chosen->second, .after = model_[chosen->first][chosen->second - 1]};
    const std::string key(1, static_cast<char>('r' + random_() % 4));
    const std::string value = random_() % 3 == 0 ? "" : std::to_string(random_() % 100);
    changes = {{key, value}};
    if (value.empty()) {
      change.after.tags.erase(key);
    } else {
      change.after.tags[key] = value;
    }
    return change;
  }

  std::string tag() {
    Tags changes;
    const auto change = plan_tag(changes);
    if (!change) return {};
    const auto tagged = store_->archive().tag(ref_of(change->name, change->version), changes);
    if (!tagged.ok()) return "tag: " + tagged.error().message;
    accept(*change);
    return tagged->tags == change->after.tags ? "" : "tag returned other tags";
  }

  std::string read_back() {
    const auto chosen = random_version();
    return chosen ? compare(chosen->first, chosen->second) : std::string();
  }

  std::string compare(const std::string& name, std::size_t version) {
    const std::string ref = ref_of(name, version);
    const auto files = read_version(*store_, ref);
    if (!files.ok()) return ref + ": " + files.error().message;
    return *files == model_[name][version - 1].files ? "" : ref + " has other content";
  }

  // Names, versions and tags: all of them, and no others.
  std::string list() {
    const auto refs = store_->archive().list();
    if (!refs.ok()) return "list: " + refs.error().message;
    if (refs->size() != versions()) return "list has " + std::to_string(refs->size()) + " versions";
    auto at = refs->begin();
    for (const auto& [name, versions] : model_) {
      for (std::size_t v = 1; v <= versions.size(); ++v, ++at) {
        if (at->name != name || at->version != v) return "list has " + ref_of(at->name, at->version);
        if (at->tags != versions[v - 1].tags) return ref_of(name, v) + " has other tags";
      }
    }
    return {};
  }

  std::string diff() {
    const auto a = random_version();
    const auto b = random_version();
    if (!a || !b) return {};
    const auto report = store_->archive().diff(ref_of(a->first, a->second), ref_of(b->first, b->second));
    if (!report.ok()) return "diff: " + report.error().message;
    const bool equal = model_[a->first][a->second - 1].files == model_[b->first][b->second - 1].files;
    const bool differs = report->changed + report->added + report->removed > 0;
    if (equal && differs) return "diff finds a difference between equal versions";
    return {};
  }

  std::string check() {
    const auto report = store_->check({.read_data = true});
    if (!report.ok()) return "check: " + report.error().message;
    return report->damaged.empty() ? "" : "check found " + report->damaged.front().what;
  }

  std::string close_and_reopen() {
    if (const Status closed = store_->close(); !closed.ok()) return "close: " + closed.error().message;
    reopen();
    if (!open_error_.empty()) return open_error_;
    const RecoveryReport& recovery = store_->info().recovery;
    // A torn tail stays where it is, and is counted, until something is appended.
    if (recovery.records_replayed > 0 || recovery.index_rebuilt) {
      return "a store that was closed needed recovery";
    }
    return {};
  }

  std::string lose_index() {
    if (const Status closed = store_->close(); !closed.ok()) return "close: " + closed.error().message;
    store_.reset();
    if (random_() % 2 == 0) {
      if (const Status gone = Index::destroy(fs_, StoreLayout(kStore).index()); !gone.ok()) return gone.error().message;
    } else {
      const auto names = fs_.list_directory(StoreLayout(kStore).index());
      if (!names.ok()) return names.error().message;
      const std::string lost = StoreLayout(kStore).index() + "/" + (*names)[random_() % names->size()];
      if (const Status gone = fs_.remove_file(lost); !gone.ok()) return gone.error().message;
    }
    reopen();
    if (!open_error_.empty()) return open_error_;
    return list();
  }

  // Power fails some calls into an add or a tag, or while the store recovers from it.
  std::string lose_power() {
    fs_.crash_at(1 + random_() % 12);
    std::optional<Change> change;
    bool acknowledged = false;
    if (random_() % 3 == 0) {
      Tags changes;
      change = plan_tag(changes);
      if (change) acknowledged = store_->archive().tag(ref_of(change->name, change->version), changes).ok();
    } else {
      std::vector<std::string> paths;
      AddOptions options;
      change = plan_add(paths, options);
      acknowledged = store_->archive().add(paths, options).ok();
    }
    store_.reset();
    fs_.power_loss(random_(), kLosses[random_() % 4]);
    if (random_() % 3 == 0) {
      fs_.crash_at(1 + random_() % 12);
      reopen();
      store_.reset();
      open_error_.clear();
      fs_.power_loss(random_(), kLosses[random_() % 4]);
    }
    reopen();
    if (!open_error_.empty()) return open_error_;
    if (!change) return list();
    if (acknowledged || is_there(*change)) accept(*change);
    const auto known = model_.find(change->name);
    const bool exists = known != model_.end() && change->version <= known->second.size();
    std::string wrong = exists ? compare(change->name, change->version) : std::string();
    return wrong.empty() ? list() : "after power loss: " + wrong;
  }

  // Whether a change that was not acknowledged is there nevertheless: whole, or not at all.
  bool is_there(const Change& change) {
    const auto ref = store_->archive().resolve(ref_of(change.name, change.version));
    return ref.ok() && ref->tags == change.after.tags;
  }

  const InputPool& pool_;
  std::mt19937_64 random_;
  SimFileSystem fs_;
  std::optional<Store> store_;
  std::string open_error_;
  Model model_;
};

TEST(ReferenceModelTest, AStoreAgreesWithAMapWhateverHappensToIt) {
  const std::uint64_t seed = test_seed(7);
  const InputPool pool(seed);
  const std::uint64_t operations_wanted = scaled(3'000, 1'000'000);
  // A run says how far it came in its time; `./dev soak` goes on from other seeds.
  const auto deadline = std::chrono::steady_clock::now() + std::chrono::seconds(scaled(60, 240));
  std::uint64_t operations = 0;
  std::uint64_t stores = 0;
  while (operations < operations_wanted && std::chrono::steady_clock::now() < deadline) {
    ModelledStore run(pool, seed * 1'000'003 + stores);
    const auto fail = [&](const std::string& wrong) {
      ADD_FAILURE() << wrong << "\nCAIRN_TEST_SEED=" << seed << " store " << stores << " operation " << run.operations
                    << "\n"
                    << run.trace();
    };
    while (run.versions() < kVersionsMax) {
      if (const std::string wrong = run.step(); !wrong.empty()) return fail(wrong);
    }
    if (const std::string wrong = run.finish(); !wrong.empty()) return fail(wrong);
    operations += run.operations;
    ++stores;
  }
  std::printf("%lu operations on %lu stores, CAIRN_TEST_SEED=%lu\n", operations, stores, seed);
}

}  // namespace
}  // namespace cairn::testing
