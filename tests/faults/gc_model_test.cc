// SPDX-License-Identifier: Apache-2.0
//
// Random operations on values and small trees, reclaiming among them, and on a map beside the
// store: whatever is put, added, removed, put again, reclaimed, closed, rebuilt or cut off by
// a power loss, the two agree, the counts are those of a full mark, and a whole reclaiming
// leaves nothing dead. Quick runs make some dozens of sequences, CAIRN_TEST_SCALE=long ten
// thousand.
#include <algorithm>
#include <chrono>
#include <deque>
#include <thread>

#include "engine/content/digester.h"
#include "tests/support/gc_scenario.h"
#include "tests/support/sim_file_system.h"
#include "tests/support/store_scenario.h"

namespace cairn::testing {
namespace {

constexpr char kStore[] = "store";
constexpr std::size_t kOperations = 60;

Bytes bytes_of(const std::string& text) { return std::as_bytes(std::span(text)); }

// Contents and trees that share blocks, whole and in part.
struct Inputs {
  Inputs() {
    std::mt19937_64 random(71);
    contents = {"", "x"};
    for (std::size_t i = 0; i < 6; ++i) contents.push_back(random_bytes(1 + random() % 4'000, random()));
    for (std::size_t i = 0; i < 6; ++i) contents.push_back(random_bytes(20'000 + random() % 180'000, random()));
    for (std::size_t i = 0; i < 4; ++i) contents.push_back(bf16_weights(10'000 + random() % 60'000, random()));
    // One block as a value, and several smaller ones as a file.
    for (std::size_t i = 0; i < 3; ++i) contents.push_back(random_bytes(64 * 1024 - i, random()));
    contents.push_back(contents[8].substr(0, 65'536));
    const std::string shared = contents.back();
    std::string drifting = bf16_weights(70'000, random());
    for (std::size_t i = 0; i < contents.size(); ++i) {
      const std::string folder = folders / std::to_string(i);
      write_file(folder + "/opaque", contents[i]);
      // A tensor that drifts from one to the next, of two blocks and a bit.
      for (std::size_t at = 0; at < drifting.size(); at += 100 + random() % 100)
        drifting[at] = static_cast<char>(at + i);
      const std::string model = safetensors_of(
          {{"d", drifting}, {"t", contents[14 + i % 4]}, {"u", contents[i].substr(0, i % 2 == 0 ? 0 : 2)}});
      write_file(folder + "/m.safetensors", model);
      trees.push_back({{"m.safetensors", model}, {"opaque", contents[i]}});
    }
    // So old that their identity says whether they have changed.
    std::this_thread::sleep_for(std::chrono::milliseconds(2'100));
  }
  ScratchFolder folders;
  std::vector<std::string> contents;
  std::vector<std::map<std::string, std::string>> trees;
};

struct Model {
  std::map<std::string, std::string> values;    // by id
  std::map<std::string, std::size_t> versions;  // tree by name@version
};

class Sequence {
 public:
  Sequence(const Inputs& inputs, std::uint64_t seed) : inputs_(inputs), random_(seed), fs_({.seed = seed}) {
    if (const Status made = StoreImpl::create(fs_, kStore, kSmallStore); !made.ok()) open_error_ = made.error().message;
    reopen();
  }

  // Returns what does not agree, or nothing.
  std::string run() {
    for (step_ = 0; step_ < kOperations && open_error_.empty(); ++step_) {
      if (std::string wrong = step(); !wrong.empty()) return wrong;
    }
    if (!open_error_.empty()) return open_error_;
    if (std::string wrong = reclaim(0); !wrong.empty()) return wrong;
    if (std::string wrong = compare(); !wrong.empty()) return wrong;
    if (std::string wrong = lose_index(); !wrong.empty()) return wrong;
    return compare();
  }
  std::uint64_t deltas() const { return deltas_; }
  std::size_t step_number() const { return step_; }
  std::string trace() const { return story_ + "\n" + fs_.trace(); }

 private:
  std::string step() {
    const std::uint64_t dice = random_() % 100;
    if (dice < 30) return put();
    if (dice < 42) return add();
    if (dice < 57) return remove();
    if (dice < 65) return remove_ref();
    if (dice < 75) return reclaim(random_() % 2 == 0 ? 0 : static_cast<double>(random_() % 50) / 100);
    if (dice < 79) return reopen_closed();
    if (dice < 82) return lose_index();
    if (dice < 92) return lose_power();
    if (dice < 94) return counts();
    if (dice < 97) return optimize();
    return compare();
  }
  void tell(const std::string& what) { story_ += " " + what + ";"; }

  void reopen() {
    store_.reset();
    auto impl = StoreImpl::open(fs_, kStore, {.threads = 2, .writer = {.budget_bytes = 1 << 20}}, {});
    if (!impl.ok()) {
      open_error_ = "open: " + impl.error().message;
      return;
    }
    for (const std::string& place : (*impl)->info().recovery.damage) open_error_ = "recovery found damage: " + place;
    impl_ = impl->get();
    store_.emplace(StoreImpl::handle(std::move(impl).value()));
  }

  std::string optimize() {
    using Base = OptimizeOptions::Base;
    const Base base = random_() % 4 == 0 ? Base::none : Base::automatic;
    tell(base == Base::none ? "optimize, without bases" : "optimize");
    const auto report = store_->optimize({.level = 1, .base = base});
    if (!report.ok()) return "optimize: " + report.error().message;
    deltas_ += report->delta_blocks;
    return report->damaged.empty() ? std::string() : "optimize found damage";
  }

  struct Change {
    std::vector<std::size_t> contents;
    bool tensor = false;
    std::string name;
  };
  Change plan_put() {
    Change change{.contents = {}, .tensor = random_() % 4 == 0, .name = std::to_string(random_() % 3)};
    const std::size_t count = random_() % 3 == 0 ? 1 + random_() % 4 : 1;
    for (std::size_t i = 0; i < count; ++i) change.contents.push_back(random_() % inputs_.contents.size());
    return change;
  }
  std::vector<Put> puts_of(const Change& change) {
    std::vector<Put> puts;
    for (const std::size_t which : change.contents) {
      Put put{.bytes = bytes_of(inputs_.contents[which]), .name = change.name};
      if (change.tensor) put.tensor = TensorLayout{.dtype = DType::u8, .shape = {inputs_.contents[which].size()}};
      puts.push_back(std::move(put));
    }
    return puts;
  }
  void accept(Model& model, const Change& change) const {
    for (const std::size_t which : change.contents) {
      const std::string& content = inputs_.contents[which];
      const Digest blob = digest_of(DigestKind::blake3, bytes_of(content));
      const Digest id = change.tensor ? tensor_id(DigestKind::blake3, DType::u8, 0, {content.size()}, blob) : blob;
      model.values[to_text(DigestKind::blake3, id)] = content;
    }
  }

  std::string put() {
    const Change change = plan_put();
    tell("put " + std::to_string(change.contents.front()) + (change.tensor ? "t" : ""));
    accept(model_, change);
    tickets_.push_back(store_->put_many_async(puts_of(change)));
    return random_() % 3 == 0 ? settle() : std::string();
  }
  std::string settle() {
    if (const Status synced = store_->sync(); !synced.ok()) return "sync: " + synced.error().message;
    for (const Ticket& ticket : std::exchange(tickets_, {})) {
      if (const Status put = ticket.committed().wait(); !put.ok()) return "put: " + put.error().message;
    }
    return {};
  }

  Result<AddReport> add_tree(std::size_t which, const std::string& name) {
    return store_->archive().add({inputs_.folders / std::to_string(which)},
                                 {.name = name, .force = random_() % 2 == 0});
  }
  std::string add() {
    const std::size_t which = random_() % inputs_.trees.size();
    const std::string name = random_() % 2 == 0 ? "n" : "m";
    tell("add " + std::to_string(which));
    const auto added = add_tree(which, name);
    if (!added.ok()) return "add: " + added.error().message;
    model_.versions[name + "@" + std::to_string(added->version)] = which;
    return {};
  }

  std::string remove() {
    if (model_.values.empty()) return {};
    auto at = model_.values.begin();
    std::advance(at, static_cast<std::ptrdiff_t>(random_() % model_.values.size()));
    tell("remove " + at->first.substr(7, 6));
    const auto removed = store_->remove(at->first);
    if (!removed.ok() || !*removed) return "remove: " + (removed.ok() ? "was not there" : removed.error().message);
    model_.values.erase(at);
    return {};
  }
  std::string remove_ref() {
    if (model_.versions.empty()) return {};
    auto at = model_.versions.begin();
    std::advance(at, static_cast<std::ptrdiff_t>(random_() % model_.versions.size()));
    tell("remove " + at->first);
    const Status removed = remove_version(*impl_, at->first.substr(0, 1), std::stoull(at->first.substr(2)));
    if (!removed.ok()) return "remove ref: " + removed.error().message;
    model_.versions.erase(at);
    return {};
  }

  // With puts under way, what they bring while it runs may die again, or not be counted yet.
  std::string reclaim(double max_dead) {
    const bool quiet = random_() % 2 == 0;
    tell("gc " + std::to_string(max_dead) + (quiet ? "" : " beside puts"));
    if (quiet) {
      if (std::string wrong = settle(); !wrong.empty()) return wrong;
    }
    const auto report = store_->gc({.max_dead = max_dead});
    if (!report.ok()) return "gc: " + report.error().message;
    if (!report->damaged.empty()) return "gc: " + report->damaged.front();
    if (std::string wrong = settle(); !wrong.empty()) return wrong;
    if (quiet && max_dead == 0 && report->dead_bytes > 0) {
      return "gc leaves " + std::to_string(report->dead_bytes) + " dead bytes";
    }
    return counts();
  }
  std::string counts() {
    if (std::string wrong = settle(); !wrong.empty()) return wrong;
    return wrong_with_counts(*store_);
  }

  std::string compare() {
    if (std::string wrong = settle(); !wrong.empty()) return wrong;
    return compare_with(model_);
  }
  std::string compare_with(const Model& model) {
    const auto page = store_->list({}, 1'000);
    if (!page.ok()) return "list: " + page.error().message;
    if (page->objects.size() != model.values.size()) {
      return std::to_string(page->objects.size()) + " values, not " + std::to_string(model.values.size());
    }
    for (const auto& [id, content] : model.values) {
      const auto found = store_->get(id);
      if (!found.ok()) return id + ": " + found.error().message;
      if (!std::ranges::equal(*found, bytes_of(content))) return id + " has other content";
    }
    const auto refs = store_->archive().list();
    if (!refs.ok()) return "list of names: " + refs.error().message;
    if (refs->size() != model.versions.size()) return "there are other versions";
    for (const auto& [ref, tree] : model.versions) {
      const auto files = read_version(*store_, ref);
      if (!files.ok()) return ref + ": " + files.error().message;
      std::map<std::string, std::string> found;
      for (const auto& [path, content] : *files) found[path.substr(path.rfind('/') + 1)] = content;
      if (found != inputs_.trees[tree]) return ref + " has other files";
    }
    return {};
  }

  std::string reopen_closed() {
    tell("reopen");
    if (const Status closed = store_->close(); !closed.ok()) return "close: " + closed.error().message;
    tickets_.clear();
    reopen();
    return open_error_;
  }
  std::string lose_index() {
    tell("rebuild");
    if (const Status closed = store_->close(); !closed.ok()) return "close: " + closed.error().message;
    tickets_.clear();
    store_.reset();
    if (const Status gone = Index::destroy(fs_, StoreLayout(kStore).index()); !gone.ok()) return gone.error().message;
    reopen();
    return open_error_.empty() ? counts() : open_error_;
  }

  // Power fails some calls into a change or a reclaiming.
  std::string lose_power() {
    if (std::string wrong = settle(); !wrong.empty()) return wrong;
    fs_.crash_at(1 + random_() % 40);
    Model after = model_;
    bool acknowledged = true;
    switch (random_() % 4) {
      case 0: {
        const Change change = plan_put();
        accept(after, change);
        acknowledged = store_->put_many_async(puts_of(change)).synced().wait().ok();
        break;
      }
      case 1: {
        const std::size_t which = random_() % inputs_.trees.size();
        const auto added = add_tree(which, "p");
        acknowledged = added.ok();
        if (acknowledged) after.versions["p@" + std::to_string(added->version)] = which;
        break;
      }
      default: static_cast<void>(store_->gc({.max_dead = 0}).ok());
    }
    store_.reset();
    const Loss loss = kLosses[random_() % 4];
    tell("power loss " + std::to_string(static_cast<int>(loss)));
    fs_.power_loss(random_(), loss);
    reopen();
    if (!open_error_.empty()) return open_error_;
    if (random_() % 4 == 0) {
      if (std::string wrong = lose_index(); !wrong.empty()) return "after power loss: " + wrong;
    }
    // A version that was not acknowledged may be there all the same.
    if (!acknowledged && after.versions.size() == model_.versions.size()) {
      const auto refs = store_->archive().list();
      if (refs.ok() && refs->size() > model_.versions.size()) {
        for (const RefInfo& ref : *refs) {
          const std::string name = ref.name + "@" + std::to_string(ref.version);
          if (!model_.versions.contains(name)) {
            if (const Status removed = remove_version(*impl_, ref.name, ref.version); !removed.ok()) return "remove";
          }
        }
      }
    }
    std::string wrong = compare_with(after);
    if (wrong.empty()) {
      model_ = std::move(after);
      return counts();
    }
    if (acknowledged) return "after power loss, of what was acknowledged: " + wrong;
    const std::string without = compare_with(model_);
    return without.empty() ? counts() : "after power loss: " + wrong + "; and " + without;
  }

  const Inputs& inputs_;
  std::mt19937_64 random_;
  SimFileSystem fs_;
  std::optional<Store> store_;
  StoreImpl* impl_ = nullptr;  // of store_
  std::deque<Ticket> tickets_;
  std::string open_error_, story_;
  Model model_;
  std::size_t step_ = 0;
  std::uint64_t deltas_ = 0;  // blocks that became one
};

TEST(GcModelTest, AStoreThatReclaimsAgreesWithAMap) {
  const std::uint64_t seed = test_seed(72);
  const Inputs inputs;
  const std::size_t sequences = scaled(25, 400);
  std::uint64_t deltas = 0;
  for (std::size_t i = 0; i < sequences; ++i) {
    Sequence sequence(inputs, seed * 1'000'003 + i);
    const std::string wrong = sequence.run();
    ASSERT_EQ(wrong, "") << "CAIRN_TEST_SEED=" << seed << " sequence " << i << " operation " << sequence.step_number()
                         << ":" << sequence.trace();
    deltas += sequence.deltas();
  }
  EXPECT_GT(deltas, sequences / 2);
  std::printf("%zu sequences of %zu operations, %lu delta blocks, CAIRN_TEST_SEED=%lu\n", sequences, kOperations,
              deltas, seed);
}

}  // namespace
}  // namespace cairn::testing
