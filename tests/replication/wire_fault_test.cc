// SPDX-License-Identifier: Apache-2.0
//
// A store and its mirror with a wire between them that fails, at each request in turn and in every way: nothing is
// lost, nothing wrong has a name, and what ended early is gone on with. The server is one of this process, or the one
// that the environment names (s3_server_test.py).
#include <gmock/gmock.h>

#include <cstdlib>
#include <random>

#include "replication/s3/open_storage.h"
#include "replication/s3/s3_storage.h"
#include "replication/s3/transport.h"
#include "replication/verify.h"
#include "tests/replication/fault_proxy.h"
#include "tests/replication/small_s3.h"
#include "tests/store/mirror_fixture.h"

namespace cairn::testing {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;
using ::testing::IsEmpty;

constexpr std::size_t kMiB = 1 << 20;

std::string variable(const char* name) {
  const char* const value = std::getenv(name);
  return value == nullptr ? "" : value;
}
bool is_real() { return !variable("CAIRN_S3_ENDPOINT").empty(); }

bool is(const std::vector<std::byte>& bytes, std::string_view content) {
  return std::ranges::equal(bytes, std::as_bytes(std::span(content)));
}

// A client that does not wait before it tries again.
struct Remote {
  struct Patience {
    unsigned attempts = 3;
    milliseconds idle{10'000};
  };
  Remote(const s3::Endpoint& endpoint, const std::string& prefix, const Patience& patience)
      : transport(*s3::Transport::create({.idle_time_max = patience.idle})),
        credentials({[]() -> Result<std::optional<s3::Credentials>> {
                      return std::optional(
                          s3::Credentials{.key = {.id = is_real() ? variable("CAIRN_S3_KEY") : "KEY",
                                                  .secret = Secret(is_real() ? variable("CAIRN_S3_SECRET") : "SECRET")},
                                          .expires = std::nullopt,
                                          .source = "a test"});
                    }},
                    now) {
    s3::ClientOptions options{.place = {.endpoint = endpoint, .bucket = "wire-faults"},
                              .retry = {.attempts_max = patience.attempts},
                              .part_bytes = 5 * kMiB,
                              .parallel_max = 2};
    client = *s3::Client::create(std::move(options), {.http = *transport,
                                                      .credentials = credentials,
                                                      .now = now,
                                                      .retry_clock = {.now = std::chrono::steady_clock::now,
                                                                      .sleep = [](milliseconds) { return true; },
                                                                      .random = [] { return 0.5; }}});
    storage = *s3::S3Storage::create(*client, {.prefix = prefix, .create_bucket = true});
  }
  static s3::Time now() { return std::chrono::floor<seconds>(std::chrono::system_clock::now()); }

  std::unique_ptr<s3::Transport> transport;
  s3::CredentialChain credentials;
  std::unique_ptr<s3::Client> client;
  std::unique_ptr<s3::S3Storage> storage;
};

// One sequence: which requests meet what, and how often a client tries.
struct Sequence {
  std::map<std::size_t, FaultProxy::Plan> faults;
  unsigned attempts = 1;
  std::string name;

  FaultProxy::Choose choose() const {
    return [faults = faults](std::size_t number) {
      const auto at = faults.find(number);
      return at == faults.end() ? FaultProxy::Plan() : at->second;
    };
  }
  Remote::Patience patience() const {
    for (const auto& [number, plan] : faults) {
      // What is slow for other reasons may end as well: whether a call failed is not what is looked at.
      if (plan.fault == WireFault::hang) return {.attempts = attempts, .idle = milliseconds(300)};
    }
    return {.attempts = attempts, .idle = seconds(5)};
  }
};

class WireFaultTest : public MirrorTest {
 protected:
  void SetUp() override {
    const bool created = direct("nowhere").client->create_bucket().ok();
    ASSERT_TRUE(created);
  }
  s3::Endpoint server() { return is_real() ? *s3::parse_endpoint(variable("CAIRN_S3_ENDPOINT")) : small_.endpoint(); }
  static Remote remote(const s3::Endpoint& endpoint, const std::string& prefix, const Remote::Patience& patience) {
    return {endpoint, prefix, patience};
  }
  Remote direct(const std::string& prefix) { return remote(server(), prefix, {}); }

  // A server of the real kind takes a second for what the small one does in a few milliseconds.
  static std::size_t share(std::size_t quick, std::size_t full) { return is_real() ? quick : scaled(quick, full); }

  // Each request of `count` in turn meets one fault: of the kinds one after the other, or, where there is time,
  // several.
  std::vector<Sequence> each_in_turn(std::size_t count) {
    std::mt19937_64 random(test_seed(20'2604));
    std::vector<Sequence> sequences;
    const std::size_t kinds = share(1, 3), step = is_real() ? 3 : 1;
    for (std::size_t number = 0; number < count; number += step) {
      for (std::size_t kind = 0; kind < kinds; ++kind) {
        const auto fault = static_cast<WireFault>(1 + (random() + kind) % (kWireFaults - 1));
        add_sequence(sequences, {{number, {.fault = fault, .at = random()}}}, random());
      }
    }
    return sequences;
  }
  // Any number of requests meets any fault.
  std::vector<Sequence> at_random(std::size_t sequence_count) {
    std::mt19937_64 random(test_seed(20'2605));
    std::vector<Sequence> sequences;
    for (std::size_t i = 0; i < sequence_count; ++i) {
      std::map<std::size_t, FaultProxy::Plan> faults;
      for (std::size_t number = random() % 8; number < 200; number += 1 + random() % 24) {
        faults[number] = {.fault = static_cast<WireFault>(1 + random() % (kWireFaults - 1)), .at = random()};
      }
      add_sequence(sequences, std::move(faults), random());
    }
    return sequences;
  }
  static void add_sequence(std::vector<Sequence>& sequences, std::map<std::size_t, FaultProxy::Plan> faults,
                           std::uint64_t chance) {
    Sequence& sequence = sequences.emplace_back();
    sequence.attempts = chance % 2 == 0 ? 1 : 3;
    sequence.name = std::to_string(sequences.size()) + ", " + std::to_string(sequence.attempts) + " attempts";
    for (const auto& [number, plan] : faults) {
      sequence.name +=
          "; request " + std::to_string(number) + " " + name_of(plan.fault) + " " + std::to_string(plan.at);
    }
    sequence.faults = std::move(faults);
  }

  std::string fresh_prefix() {
    small_.clear();
    static std::size_t number = 0;
    return "wire/" + std::to_string(++number);
  }

  static mirror::PushOptions small_packs() { return {.parallel = 2, .pack_bytes = 128 * 1024, .packs_per_index = 2}; }
  static Result<mirror::PushReport> push_to(StoreImpl& store, ObjectStorage& storage) {
    MirrorSource source(store);
    const MirrorFormats formats(store.header().digest);
    return mirror::Pusher(source, storage, formats, small_packs()).push();
  }
  static std::vector<std::string> problems_of(ObjectStorage& storage) {
    const MirrorFormats formats(DigestKind::blake3);
    const auto verified = mirror::verify(storage, formats, {.read_data = true});
    if (!verified.ok()) return {verified.error().message};
    return verified->problems;
  }
  void fill(OpenedStore& store) {
    for (std::uint64_t seed = 2; seed < 4; ++seed) add(store.store, "model", seed, 60'000);
    put_object(store.store, "value", random_bytes(100'000, 9));
    put_result(store.store, "loss", "0.5");
  }
  void push_through(OpenedStore& store, const std::map<std::string, std::string>& all, const Sequence& sequence) {
    SCOPED_TRACE(sequence.name);
    const std::string prefix = fresh_prefix();
    proxy_.restart(sequence.choose());
    const auto failed = push_to(*store.impl, *remote(proxy_.endpoint(), prefix, sequence.patience()).storage);
    if (!failed.ok()) ++failed_;
    met_ += proxy_.faults();
    Remote there = direct(prefix);
    // Where it ended, what the mirror says is true.
    EXPECT_THAT(problems_of(*there.storage), IsEmpty());
    const auto pushed = push_to(*store.impl, *there.storage);
    ASSERT_TRUE(pushed.ok()) << pushed.error().message;
    EXPECT_THAT(pushed->left_out, IsEmpty());
    EXPECT_THAT(problems_of(*there.storage), IsEmpty());
    const std::string path = "restored" + std::to_string(prefixes_);
    const auto restored = restore_store(fs_, path, *there.storage, {});
    ASSERT_TRUE(restored.ok()) << restored.error().message;
    {
      OpenedStore store_there = open(path);
      EXPECT_EQ(contents(store_there.store), all);
    }
    static_cast<void>(StoreImpl::destroy(fs_, path).ok());
  }
  void pull_through(const std::string& prefix, const std::map<std::string, std::string>& model,
                    const Sequence& sequence) {
    SCOPED_TRACE(sequence.name);
    const std::string path = "pulled" + std::to_string(++prefixes_);
    {
      OpenedStore store = open(path);
      proxy_.restart(sequence.choose());
      const auto failed =
          pull(*store.impl, *remote(proxy_.endpoint(), prefix, sequence.patience()).storage, {.names = {"model"}});
      met_ += proxy_.faults();
      if (!failed.ok()) {
        ++failed_;
        EXPECT_THAT(*store.store.archive().list(), IsEmpty());
        const auto again = pull(*store.impl, *direct(prefix).storage, {.names = {"model"}});
        ASSERT_TRUE(again.ok()) << again.error().message;
      }
      EXPECT_EQ(*read_version(store.store, "model@2"), model);
      expect_whole(store.store);
    }
    static_cast<void>(StoreImpl::destroy(fs_, path).ok());
  }
  // Of an object of three parts.
  void upload_through(const std::string& content, const Sequence& sequence) {
    SCOPED_TRACE(sequence.name);
    const std::string key = fresh_prefix() + "/artifact";
    const auto source = [&content](std::size_t& at) {
      return [&content, &at](std::span<std::byte> into) -> Result<std::size_t> {
        const std::size_t size = std::min(into.size(), content.size() - at);
        std::memcpy(into.data(), content.data() + at, size);
        at += size;
        return size;
      };
    };
    std::size_t at = 0;
    proxy_.restart(sequence.choose());
    const auto failed = remote(proxy_.endpoint(), "", sequence.patience()).client->put_in_parts(key, source(at));
    if (!failed.ok()) ++failed_;
    met_ += proxy_.faults();
    Remote there = direct("");
    const auto now = there.client->get(key, 64 * kMiB);
    ASSERT_TRUE(now.ok()) << now.error().message;
    EXPECT_TRUE(!failed.ok() || now->has_value()) << "it was said to be there";
    EXPECT_TRUE(!now->has_value() || is(**now, content));
    at = 0;
    const auto put = there.client->put_in_parts(key, source(at));
    ASSERT_TRUE(put.ok()) << put.error().message;
    ASSERT_TRUE(there.client->abort_uploads(key, Remote::now() + seconds(60)).ok());
    EXPECT_EQ(there.client->pending_uploads(key)->size(), 0U);
    const auto read = there.client->get(key, 64 * kMiB);
    ASSERT_TRUE(read.ok() && *read);
    EXPECT_TRUE(is(**read, content));
    static_cast<void>(there.client->remove({key}).ok());
  }

  SmallS3 small_;
  FaultProxy proxy_{server(), is_real()};
  std::size_t prefixes_ = 0;
  std::size_t met_ = 0, failed_ = 0;
};

TEST_F(WireFaultTest, APushWhoseWireFailsAtAnyRequestIsGoneOnWith) {
  OpenedStore store = open("source");
  fill(store);
  const auto all = contents(store.store);
  proxy_.restart({});
  const auto clean = push_to(*store.impl, *remote(proxy_.endpoint(), fresh_prefix(), {}).storage);
  ASSERT_TRUE(clean.ok()) << clean.error().message;
  ASSERT_GT(proxy_.requests(), 12U);
  std::vector<Sequence> sequences = each_in_turn(proxy_.requests());
  for (const Sequence& sequence : sequences) push_through(store, all, sequence);
  EXPECT_GE(met_, sequences.size());
  EXPECT_GT(failed_, 0U);
  for (const Sequence& sequence : at_random(share(6, 120))) push_through(store, all, sequence);
  RecordProperty("failed", static_cast<int>(failed_));
}

TEST_F(WireFaultTest, APullWhoseWireFailsAtAnyRequestBringsNothingWrong) {
  OpenedStore store = open("source");
  fill(store);
  const std::string prefix = fresh_prefix();
  ASSERT_TRUE(push_to(*store.impl, *direct(prefix).storage).ok());
  const auto model = *read_version(store.store, "model@2");
  {
    OpenedStore clean = open("clean");
    proxy_.restart({});
    const auto pulled = pull(*clean.impl, *remote(proxy_.endpoint(), prefix, {}).storage, {.names = {"model"}});
    ASSERT_TRUE(pulled.ok()) << pulled.error().message;
  }
  ASSERT_GT(proxy_.requests(), 8U);
  for (const Sequence& sequence : each_in_turn(proxy_.requests())) pull_through(prefix, model, sequence);
  EXPECT_GT(failed_, 0U);
  for (const Sequence& sequence : at_random(share(6, 60))) pull_through(prefix, model, sequence);
}

TEST_F(WireFaultTest, AnUploadInPartsIsWholeOrNotThereAndLeavesNoPartsBehind) {
  const std::string content = random_bytes(11 * kMiB + 3, 5);
  proxy_.restart({});
  upload_through(content, {});
  const std::size_t requests = proxy_.requests();
  ASSERT_GE(requests, 5U);
  for (const Sequence& sequence : each_in_turn(requests)) upload_through(content, sequence);
  for (const Sequence& sequence : at_random(share(3, 20))) upload_through(content, sequence);
}

TEST_F(WireFaultTest, AFlippedBitInABodyThatIsSentIsRefusedByTheServer) {
  std::mt19937_64 random(test_seed(20'2606));
  for (std::size_t round = 0; round < share(20, 100); ++round) {
    const std::string key = fresh_prefix() + "/object";
    const std::string content = random_bytes(1 + random() % 5'000, round);
    proxy_.restart([at = random()](std::size_t number) {
      return number == 0 ? FaultProxy::Plan{.fault = WireFault::flip_request, .at = at} : FaultProxy::Plan();
    });
    const auto bytes = std::as_bytes(std::span(content));
    Remote once = remote(proxy_.endpoint(), "", {.attempts = 1});
    const auto put = once.client->put(key, std::span(&bytes, 1));
    ASSERT_FALSE(put.ok());
    EXPECT_TRUE(put.error().retryable) << put.error().message;
    EXPECT_FALSE(direct("").client->get(key, kMiB)->has_value());
    ASSERT_TRUE(once.client->put(key, std::span(&bytes, 1)).ok());
  }
}

}  // namespace
}  // namespace cairn::testing
