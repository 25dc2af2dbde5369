// SPDX-License-Identifier: Apache-2.0
//
// What a store tells of itself: numbers that a machine reads, and a page for a person.
#include <gmock/gmock.h>

#include <cmath>
#include <condition_variable>
#include <regex>
#include <set>
#include <sstream>
#include <thread>

#include "cairn/store.h"
#include "engine/base/atomic_histogram.h"
#include "engine/base/bytes.h"
#include "tests/support/scratch_folder.h"

namespace cairn::testing {
namespace {

using ::testing::HasSubstr;
using ::testing::Not;

// A strict reader of the text exposition format, as far as metrics_text() has a use for it:
// every family has HELP, TYPE and its samples, in this order, together and once.
class Metrics {
 public:
  explicit Metrics(const std::string& text) {
    if (text.empty() || text.back() != '\n') wrong("the last line has no end");
    std::istringstream lines(text);
    for (std::string line; std::getline(lines, line) && wrong_.empty();) read(line);
    end_family();
  }

  const std::string& wrong() const { return wrong_; }
  double value(const std::string& name) const { return values_.contains(name) ? values_.at(name) : NAN; }
  const std::set<std::string>& families() const { return families_; }

 private:
  void read(const std::string& line) {
    static const std::regex help("# HELP (cairn_[a-z_]+) [^\\n]+"),
        type("# TYPE (cairn_[a-z_]+) (counter|gauge|histogram)"),
        sample("(cairn_[a-z_]+)(\\{le=\"([^\"]+)\"\\})? (\\+Inf|-?[0-9]+(\\.[0-9]+)?(e[+-]?[0-9]+)?)");
    std::smatch found;
    if (std::regex_match(line, found, help)) {
      end_family();
      family_ = found[1];
      type_.clear();
      if (!families_.insert(family_).second) wrong("twice: " + line);
    } else if (std::regex_match(line, found, type)) {
      if (found[1] != family_ || !type_.empty()) wrong("out of place: " + line);
      type_ = found[2];
      if ((type_ == "counter") != family_.ends_with("_total")) wrong("a counter is a total: " + line);
    } else if (std::regex_match(line, found, sample) && !type_.empty()) {
      read_sample(line, found[1], found[3], std::stod(found[4]));
    } else {
      wrong("not of the format: " + line);
    }
  }
  void read_sample(const std::string& line, const std::string& name, const std::string& le, double value) {
    if (type_ != "histogram") {
      if (name != family_ || !le.empty()) wrong("of another family: " + line);
      if (!values_.emplace(name, value).second) wrong("twice: " + line);
      if (type_ == "counter" && (value < 0 || value != std::floor(value))) wrong("no count: " + line);
    } else if (name == family_ + "_bucket" && !le.empty()) {
      const double bound = le == "+Inf" ? INFINITY : std::stod(le);
      if (!buckets_.empty() && (bound <= buckets_.back().first || value < buckets_.back().second)) {
        wrong("buckets grow: " + line);
      }
      buckets_.emplace_back(bound, value);
    } else if ((name == family_ + "_sum" || name == family_ + "_count") && le.empty()) {
      values_[name] = value;
    } else {
      wrong("of another family: " + line);
    }
  }
  void end_family() {
    if (family_.empty() || !wrong_.empty()) return;
    if (type_ == "histogram") {
      if (buckets_.empty() || buckets_.back().first != INFINITY) return wrong(family_ + " has no last bucket");
      if (!(buckets_.back().second == value(family_ + "_count"))) wrong(family_ + "_count is not the last bucket");
      if (std::isnan(value(family_ + "_sum"))) wrong(family_ + " has no sum");
    } else if (!values_.contains(family_)) {
      wrong(family_ + " has no sample");
    }
    buckets_.clear();
  }
  void wrong(const std::string& what) {
    if (wrong_.empty()) wrong_ = what;
  }

  std::string family_, type_, wrong_;
  std::set<std::string> families_;
  std::map<std::string, double> values_;
  std::vector<std::pair<double, double>> buckets_;
};

class MetricsTest : public ::testing::Test {
 protected:
  Store open(const WriterOptions& writer = {}, Access access = Access::read_write) {
    auto opened = Store::open(folder_.path().string() + "/store",
                              {.access = access,
                               .mode = access == Access::read_only ? OpenMode::existing : OpenMode::create,
                               .create = {.block_bytes = 64 * 1024},
                               .codec = Codec::none,
                               .writer = writer});
    EXPECT_TRUE(opened.ok()) << opened.error().message;
    return std::move(opened).value();
  }
  static Metrics metrics_of(const Store& store) {
    const std::string text = store.metrics_text();
    Metrics metrics(text);
    EXPECT_EQ(metrics.wrong(), "") << text;
    return metrics;
  }

  ScratchFolder folder_;
};

TEST(HistogramTest, ATimeIsInTheFirstBucketThatHoldsIt) {
  const auto bucket_of = [](std::chrono::nanoseconds time) {
    AtomicHistogram histogram;
    histogram.add(time);
    const Histogram read = histogram.read();
    EXPECT_EQ(read.count(), 1u);
    return std::find(read.counts.begin(), read.counts.end(), 1u) - read.counts.begin();
  };
  using namespace std::chrono_literals;
  EXPECT_EQ(bucket_of(-5ns), 0);
  EXPECT_EQ(bucket_of(0ns), 0);
  EXPECT_EQ(bucket_of(1us), 0);
  EXPECT_EQ(bucket_of(1us + 1ns), 1);
  EXPECT_EQ(bucket_of(2us), 1);
  EXPECT_EQ(bucket_of(2001ns), 2);
  EXPECT_EQ(bucket_of(1024us), 10);
  EXPECT_EQ(bucket_of(1025us), 11);
  EXPECT_EQ(bucket_of(std::chrono::microseconds(Histogram::bound_us(Histogram::kBuckets - 2))), 26);
  EXPECT_EQ(bucket_of(68s), 27);
  EXPECT_EQ(bucket_of(1000h), 27);
}

TEST_F(MetricsTest, AMachineReadsThemInEveryState) {
  Store store = open();
  EXPECT_EQ(metrics_of(store).value("cairn_puts_accepted_total"), 0);
  std::vector<std::byte> value(1'000'000);
  for (int i = 0; i < 5; ++i) {
    value[static_cast<std::size_t>(i) * 150'000] = std::byte{1};
    ASSERT_TRUE(store.put({.bytes = value}).ok());
  }
  ASSERT_TRUE(store.sync().ok());
  const Metrics metrics = metrics_of(store);
  EXPECT_GE(metrics.families().size(), 20u);
  for (const char* milestone : {"accepted", "staged", "synced", "committed"}) {
    EXPECT_EQ(metrics.value("cairn_puts_" + std::string(milestone) + "_total"), 5) << milestone;
  }
  EXPECT_EQ(metrics.value("cairn_committed_bytes_total"), 5e6);
  EXPECT_EQ(metrics.value("cairn_pending_bytes"), 0);
  EXPECT_EQ(metrics.value("cairn_put_append_seconds_count"), 5);
  EXPECT_EQ(metrics.value("cairn_put_sync_seconds_count"), 5);
  EXPECT_GT(metrics.value("cairn_put_sync_seconds_sum"), metrics.value("cairn_put_append_seconds_sum"));
  EXPECT_EQ(metrics.value("cairn_put_stall_seconds_count"), 0);
  const WriterStats stats = store.writer_stats();
  EXPECT_EQ(metrics.value("cairn_put_log_bytes_total"), static_cast<double>(stats.put_log_bytes));
  EXPECT_GE(stats.put_log_bytes, stats.new_bytes);
  EXPECT_LE(stats.put_log_bytes, stats.log_bytes);
  EXPECT_GT(stats.index_bytes, 0u);
  // Five times nearly the same content: much of it is written once.
  EXPECT_GT(stats.write_amplification(), 0.0);
  EXPECT_LT(stats.write_amplification(), 1.0);
  ASSERT_TRUE(store.close().ok());
  metrics_of(store);
  const Store reader = open({}, Access::read_only);
  EXPECT_EQ(metrics_of(reader).value("cairn_log_bytes_total"), 0);
}

TEST_F(MetricsTest, AStallIsCountedOnceForTheCallThatHadIt) {
  // The least there is: 8 MiB for large values.
  Store store = open({.budget_bytes = 1});
  std::vector<std::byte> value(6 << 20);
  std::mutex mutex;
  std::condition_variable changed;
  bool released = false;
  // Memory that is in use until the test lets it go keeps the budget full.
  const Ticket first = store.put_async({.bytes = value, .handover = Handover::move, .release = [&] {
                                          std::unique_lock lock(mutex);
                                          changed.wait(lock, [&] { return released; });
                                        }});
  std::thread second([&] { EXPECT_TRUE(store.put({.bytes = value, .name = "second"}).ok()); });
  std::string dump;
  while (dump.find("1 callers for room") == std::string::npos) {
    std::this_thread::sleep_for(std::chrono::milliseconds(1));
    dump = store.state_dump();
  }
  EXPECT_THAT(dump, HasSubstr("of 8388608 bytes; 1 callers in line for room"));
  EXPECT_THAT(dump, HasSubstr("its memory is in use"));
  {
    const std::lock_guard lock(mutex);
    released = true;
  }
  changed.notify_all();
  second.join();
  ASSERT_TRUE(first.committed().wait().ok());
  ASSERT_TRUE(store.sync().ok());
  const WriterStats stats = store.writer_stats();
  EXPECT_EQ(stats.stall_time.count(), 1u);
  EXPECT_GT(stats.stall_time.total_ns, 0u);
}

TEST_F(MetricsTest, APersonSeesWhatIsPendingAndSinceWhen) {
  Store store = open({.linger = std::chrono::minutes(1)});
  EXPECT_THAT(store.state_dump(), HasSubstr("nothing was put"));
  const std::vector<std::byte> value(1000);
  std::vector<Ticket> tickets;
  for (int i = 0; i < 25; ++i) tickets.push_back(store.put_async({.bytes = value, .name = std::to_string(i)}));
  std::string dump = store.state_dump();
  EXPECT_THAT(dump, HasSubstr("pending    25 puts of 25000 bytes"));
  EXPECT_THAT(dump, HasSubstr("put 1: 1 values of 1000 bytes, grouped, accepted 0."));
  EXPECT_THAT(dump, HasSubstr("and 5 more"));
  EXPECT_THAT(dump, HasSubstr("none yet"));
  EXPECT_THAT(dump, HasSubstr("25 values to draw, the first is ready"));
  ASSERT_TRUE(store.sync().ok());
  dump = store.state_dump();
  EXPECT_THAT(dump, HasSubstr("pending    0 puts of 0 bytes"));
  EXPECT_THAT(dump, HasSubstr("the last one 0."));
  EXPECT_THAT(dump, HasSubstr("writer     runs"));
  ASSERT_TRUE(store.close().ok());
  EXPECT_THAT(store.state_dump(), HasSubstr("no, closed"));
}

TEST(MetricsReaderTest, FindsWhatIsNotOfTheFormat) {
  const std::string good =
      "# HELP cairn_a_total x\n# TYPE cairn_a_total counter\ncairn_a_total 1\n# HELP cairn_b_seconds x\n"
      "# TYPE cairn_b_seconds histogram\ncairn_b_seconds_bucket{le=\"0.1\"} 1\ncairn_b_seconds_bucket{le=\"+Inf\"} 2\n"
      "cairn_b_seconds_sum 0.5\ncairn_b_seconds_count 2\n";
  EXPECT_EQ(Metrics(good).wrong(), "");
  const auto with = [&](const std::string& from, const std::string& to) {
    std::string text = good;
    text.replace(text.find(from), from.size(), to);
    return Metrics(text).wrong();
  };
  EXPECT_NE(with("\ncairn_a_total 1", "\ncairn_a_total 1 "), "");
  EXPECT_NE(with("\ncairn_a_total 1", ""), "");
  EXPECT_NE(with("# TYPE cairn_a_total counter\n", ""), "");
  EXPECT_NE(with("count 2\n", "count 3\n"), "");
  EXPECT_NE(with("count 2\n", "count 2"), "");
  EXPECT_NE(with("le=\"0.1\"} 1", "le=\"0.1\"} 3"), "");
  EXPECT_NE(with("cairn_b_seconds_bucket{le=\"+Inf\"} 2\n", ""), "");
  EXPECT_NE(with("cairn_b_seconds_sum 0.5\n", ""), "");
  EXPECT_NE(with("# HELP cairn_b_seconds", "# HELP cairn_a_total"), "");
}

}  // namespace
}  // namespace cairn::testing
