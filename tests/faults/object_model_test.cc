// SPDX-License-Identifier: Apache-2.0
//
// Random operations on values that are put directly and on a std::map beside the store:
// whatever the order of putting, removing, describing, listing, reading, closing, losing the
// index and losing power, the two agree. Quick runs do two thousand operations,
// CAIRN_TEST_SCALE=long fifty thousand.
#include <chrono>
#include <deque>

#include "engine/content/digester.h"
#include "engine/format/manifest.h"
#include "tests/support/sim_file_system.h"
#include "tests/support/store_scenario.h"

namespace cairn::testing {
namespace {

constexpr char kStore[] = "store";
// A store is given up for a new one after so many operations: its log only grows.
constexpr std::uint64_t kOperationsEach = 1'000;
// Two blocks and a bit, so that some values have a list of blocks.
constexpr std::size_t kValueBytesMax = 150'000;

Bytes bytes_of(const std::string& text) { return std::as_bytes(std::span(text)); }

struct Entry {
  std::string content;
  bool tensor = false;
  std::map<std::string, Attributes> names;
  friend bool operator==(const Entry&, const Entry&) = default;
};
using Model = std::map<std::string, Entry>;  // by id

// What is put, or removed.
struct Change {
  std::string removed;  // an id, or nothing
  struct Value {
    const std::string* content = nullptr;
    bool tensor = false;
    std::string name;
    Attributes attributes;
  };
  std::vector<Value> values;
};

std::vector<std::uint64_t> shape_of(const std::string& content) { return {content.size()}; }

std::string id_of(const std::string& content, bool tensor) {
  const Digest blob = digest_of(DigestKind::blake3, bytes_of(content));
  return to_text(DigestKind::blake3,
                 tensor ? tensor_id(DigestKind::blake3, DType::u8, 0, shape_of(content), blob) : blob);
}

void accept(Model& model, const Change& change) {
  model.erase(change.removed);
  for (const Change::Value& value : change.values) {
    Entry& entry = model[id_of(*value.content, value.tensor)];
    entry.content = *value.content;
    entry.tensor = value.tensor;
    entry.names[value.name] = value.attributes;
  }
}

class ModelledObjects {
 public:
  ModelledObjects(const std::vector<std::string>& contents, std::uint64_t seed)
      : contents_(contents), random_(seed), fs_({.seed = seed}) {
    const Status created = StoreImpl::create(fs_, kStore, kSmallStore);
    EXPECT_TRUE(created.ok()) << created.error().message;
    reopen();
  }

  // Returns what does not agree, or nothing.
  std::string step() {
    ++operations;
    const std::uint64_t dice = random_() % 1000;
    if (dice < 400) return put();
    if (dice < 470) return remove();
    if (dice < 700) return read_back();
    if (dice < 800) return describe();
    if (dice < 900) return list();
    if (dice < 940) return settle();
    if (dice < 965) return close_and_reopen();
    if (dice < 970) return lose_index();
    if (dice < 990) return lose_power();
    return check();
  }

  std::string finish() {
    for (const auto& [id, entry] : model_) {
      if (std::string wrong = compare(id); !wrong.empty()) return wrong;
    }
    std::string wrong = list();
    return wrong.empty() ? check() : wrong;
  }

  std::uint64_t operations = 0;
  std::string trace() const { return fs_.trace(); }

 private:
  void reopen() {
    store_.reset();
    auto impl = StoreImpl::open(fs_, kStore, {.threads = 2, .writer = {.budget_bytes = 8 << 20}}, {});
    if (!impl.ok()) {
      open_error_ = "open: " + impl.error().message;
      return;
    }
    for (const std::string& place : (*impl)->info().recovery.damage) open_error_ = "recovery found damage: " + place;
    store_.emplace(StoreImpl::handle(std::move(impl).value()));
  }

  Change plan_put() {
    Change change;
    const std::size_t values = random_() % 4 == 0 ? 1 + random_() % 5 : 1;
    for (std::size_t i = 0; i < values; ++i) {
      Change::Value value{.content = &contents_[random_() % contents_.size()], .tensor = random_() % 3 == 0};
      if (random_() % 2 == 0) value.name = std::string(1, static_cast<char>('a' + random_() % 4));
      if (random_() % 3 == 0) value.attributes["says"] = std::to_string(random_() % 5);
      change.values.push_back(std::move(value));
    }
    return change;
  }

  // The contents stay where they are: every way of handing over is as good.
  std::vector<Put> puts_of(const Change& change) {
    std::vector<Put> puts;
    for (const Change::Value& value : change.values) {
      Put put{.bytes = bytes_of(*value.content),
              .handover = static_cast<Handover>(random_() % 3),
              .name = value.name,
              .attributes = value.attributes};
      if (value.tensor) put.tensor = TensorLayout{.dtype = DType::u8, .shape = shape_of(*value.content)};
      puts.push_back(std::move(put));
    }
    return puts;
  }

  // What a name says already is said anew: small values overtake others, so that the last
  // word is known only when the one before is committed.
  bool rewords(const Change& change) const {
    for (const Change::Value& value : change.values) {
      const auto known = model_.find(id_of(*value.content, value.tensor));
      if (known == model_.end()) continue;
      const auto name = known->second.names.find(value.name);
      if (name != known->second.names.end() && name->second != value.attributes) return true;
    }
    return false;
  }

  // Waits, or lets it be: a later operation finds it all the same.
  std::string put() {
    const Change change = plan_put();
    if (rewords(change)) {
      if (std::string wrong = settle(); !wrong.empty()) return wrong;
    }
    if (random_() % 3 == 0) {
      const auto ids = store_->put_many(puts_of(change));
      if (!ids.ok()) return "put: " + ids.error().message;
      for (std::size_t i = 0; i < ids->size(); ++i) {
        if ((*ids)[i] != id_of(*change.values[i].content, change.values[i].tensor)) return "put made another id";
      }
    } else {
      const Durability durability = random_() % 2 == 0 ? Durability::lazy : Durability::grouped;
      tickets_.push_back(store_->put_many_async(puts_of(change), {.durability = durability}));
    }
    accept(model_, change);
    return {};
  }

  // An id of the model or, rarely, one that is not there.
  std::string random_id() {
    if (model_.empty() || random_() % 10 == 0) {
      return id_of(contents_[random_() % contents_.size()], random_() % 2 == 0);
    }
    auto at = model_.begin();
    std::advance(at, static_cast<std::ptrdiff_t>(random_() % model_.size()));
    return at->first;
  }

  std::string remove() {
    const Change change{.removed = random_id(), .values = {}};
    const auto removed = store_->remove(change.removed);
    if (!removed.ok()) return "remove: " + removed.error().message;
    if (*removed != model_.contains(change.removed)) return "remove says " + std::string(*removed ? "yes" : "no");
    accept(model_, change);
    return {};
  }

  std::string read_back() { return compare(random_id()); }

  std::string compare(const std::string& id) {
    const auto known = model_.find(id);
    const auto content = store_->get(id);
    if (known == model_.end()) {
      return !content.ok() && content.error().code == ErrorCode::not_found ? "" : id + " is there";
    }
    if (!content.ok()) return id + ": " + content.error().message;
    const std::string& expected = known->second.content;
    if (!std::ranges::equal(*content, bytes_of(expected))) return id + " has other content";
    if (expected.empty()) return {};
    const std::uint64_t from = random_() % expected.size();
    std::vector<std::byte> part(random_() % (expected.size() - from) + 1);
    if (const Status read = store_->get_range(id, from, part); !read.ok()) return id + ": " + read.error().message;
    return std::ranges::equal(part, bytes_of(expected).subspan(from, part.size())) ? "" : id + " has another range";
  }

  static std::string differs(const Object& object, const Entry& entry) {
    std::map<std::string, Attributes> names;
    for (const ObjectName& name : object.names) names[name.name] = name.attributes;
    if (names != entry.names) return object.id + " has other names or attributes";
    if (object.bytes != entry.content.size()) return object.id + " has another size";
    if (object.tensor.has_value() != entry.tensor) return object.id + " is of another kind";
    if (entry.tensor && object.tensor->shape != shape_of(entry.content)) return object.id + " has another shape";
    return {};
  }

  std::string describe() {
    const std::string id = random_id();
    const auto known = model_.find(id);
    // An object that is there is described without waiting for the names it is about to get.
    if (random_() % 2 == 0) {
      const auto there = store_->contains(id);
      return there.ok() && *there == (known != model_.end()) ? "" : "contains() disagrees with the map";
    }
    if (std::string wrong = settle(); !wrong.empty()) return wrong;
    const auto object = store_->describe(id);
    if (!object.ok()) return "describe: " + object.error().message;
    if (object->has_value() != (known != model_.end())) return id + " is there, or not, against the map";
    return object->has_value() ? differs(**object, known->second) : std::string();
  }

  // All objects and no others, in pages.
  std::string list() { return list_against(model_); }
  std::string list_against(const Model& model) {
    const std::size_t limit = 1 + random_() % 20;
    auto at = model.begin();
    std::string cursor;
    do {
      const auto page = store_->list(cursor, limit);
      if (!page.ok()) return "list: " + page.error().message;
      if (page->objects.size() > limit) return "list has too long a page";
      for (const Object& object : page->objects) {
        if (at == model.end() || at->first != object.id) return "list has " + object.id + ", the map has not";
        if (std::string wrong = differs(object, at->second); !wrong.empty()) return "list: " + wrong;
        ++at;
      }
      cursor = page->next;
    } while (!cursor.empty());
    return at == model.end() ? "" : "list has no " + at->first;
  }

  std::string settle() {
    if (const Status synced = store_->sync(); !synced.ok()) return "sync: " + synced.error().message;
    for (; !tickets_.empty(); tickets_.pop_front()) {
      const Milestone committed = tickets_.front().committed();
      if (!committed.ready()) return "sync() returned before a put was decided";
      if (!committed.wait().ok()) return "put: " + committed.wait().error().message;
    }
    return {};
  }

  std::string check() {
    const auto report = store_->check({.read_data = true});
    if (!report.ok()) return "check: " + report.error().message;
    return report->damaged.empty() ? "" : "check found " + report->damaged.front().what;
  }

  // Closing writes what nobody has waited for.
  std::string close_and_reopen() {
    if (const Status closed = store_->close(); !closed.ok()) return "close: " + closed.error().message;
    for (; !tickets_.empty(); tickets_.pop_front()) {
      if (!tickets_.front().synced().ready() || !tickets_.front().synced().wait().ok()) return "close() left a put";
    }
    reopen();
    if (!open_error_.empty()) return open_error_;
    const RecoveryReport& recovery = store_->info().recovery;
    if (recovery.records_replayed > 0 || recovery.index_rebuilt) return "a store that was closed needed recovery";
    return {};
  }

  std::string lose_index() {
    if (const Status closed = store_->close(); !closed.ok()) return "close: " + closed.error().message;
    tickets_.clear();
    store_.reset();
    if (const Status gone = Index::destroy(fs_, StoreLayout(kStore).index()); !gone.ok()) return gone.error().message;
    reopen();
    return open_error_.empty() ? list() : open_error_;
  }

  // Power fails some calls into a change: it is there whole, or not at all.
  std::string lose_power() {
    if (std::string wrong = settle(); !wrong.empty()) return wrong;
    fs_.crash_at(1 + random_() % 10);
    Change change;
    bool acknowledged = false;
    if (random_() % 4 == 0) {
      change.removed = random_id();
      acknowledged = store_->remove(change.removed).ok();
    } else {
      change = plan_put();
      acknowledged = store_->put_many_async(puts_of(change)).synced().wait().ok();
    }
    store_.reset();
    fs_.power_loss(random_(), kLosses[random_() % 4]);
    reopen();
    if (!open_error_.empty()) return open_error_;
    Model after = model_;
    accept(after, change);
    const std::string wrong = list_against(after);
    if (wrong.empty()) {
      model_ = std::move(after);
      return {};
    }
    if (acknowledged) return "after power loss, of what was acknowledged: " + wrong;
    const std::string without = list();
    return without.empty() ? "" : "after power loss: " + wrong + "; and " + without;
  }

  const std::vector<std::string>& contents_;
  std::mt19937_64 random_;
  SimFileSystem fs_;
  std::optional<Store> store_;
  std::deque<Ticket> tickets_;  // that nobody has waited for
  std::string open_error_;
  Model model_;
};

TEST(ObjectModelTest, AStoreAgreesWithAMapWhateverHappensToIt) {
  const std::uint64_t seed = test_seed(17);
  std::mt19937_64 random(seed);
  std::vector<std::string> contents = {"", "x"};
  for (std::size_t i = 0; i < 12; ++i) contents.push_back(random_bytes(random() % kValueBytesMax, random()));
  for (std::size_t i = 0; i < 8; ++i) contents.push_back(bf16_weights(random() % (kValueBytesMax / 2), random()));
  for (std::size_t i = 0; i < 12; ++i) contents.push_back(random_bytes(random() % 5000, random()));
  // Beginnings of others: blocks are shared.
  for (std::size_t i = 0; i < 6; ++i) contents.push_back(contents[2 + i].substr(0, 65536 + i % 2));
  const std::uint64_t operations_wanted = scaled(2'000, 50'000);
  std::uint64_t operations = 0, stores = 0;
  while (operations < operations_wanted) {
    ModelledObjects run(contents, seed * 1'000'003 + stores);
    const auto fail = [&](const std::string& wrong) {
      ADD_FAILURE() << wrong << "\nCAIRN_TEST_SEED=" << seed << " store " << stores << " operation " << run.operations
                    << "\n"
                    << run.trace();
    };
    while (run.operations < kOperationsEach) {
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
