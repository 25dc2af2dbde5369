// SPDX-License-Identifier: Apache-2.0
//
// Files of others become rows; what is broken in them is refused and harms nobody.
#include <bit>

#include "engine/base/endian.h"
#include "engine/results/metric_export.h"
#include "tests/results/metric_fixture.h"

namespace cairn {
namespace {

// Two events as TensorBoard 2 writes them, made by hand from event.proto. The checksums are those of TFRecord's
// framing: the first of them, of the length 24, is known from files in the wild.
class EventFile {
 public:
  static std::string varint(std::uint64_t value) {
    std::string out;
    for (; value >= 128; value >>= 7) out.push_back(static_cast<char>((value & 127) | 128));
    out.push_back(static_cast<char>(value));
    return out;
  }
  template <class T>
  static std::string fixed(T value) {
    return {reinterpret_cast<const char*>(&value), sizeof(value)};
  }
  static std::string bytes(unsigned field, const std::string& payload) {
    return varint(field << 3 | 2) + varint(payload.size()) + payload;
  }
  // CRC-32C bit by bit, from its definition.
  static std::uint32_t masked(const std::string& text) {
    std::uint32_t crc = ~0u;
    for (const char c : text) {
      crc ^= static_cast<unsigned char>(c);
      for (int i = 0; i < 8; ++i) crc = crc >> 1 ^ ((crc & 1) != 0 ? 0x82F63B78u : 0);
    }
    crc = ~crc;
    return (crc >> 15 | crc << 17) + 0xA282EAD8u;
  }

  void add(const std::string& event) {
    const std::string size = fixed(std::uint64_t{event.size()});
    content += size + fixed(masked(size)) + event + fixed(masked(event));
  }
  void add(double wall_time, std::int64_t step, const std::vector<std::string>& values) {
    std::string summary;
    for (const std::string& value : values) summary += bytes(1, value);
    add("\x09" + fixed(wall_time) + "\x10" + varint(static_cast<std::uint64_t>(step)) + bytes(5, summary));
  }
  static std::string scalar(const std::string& tag, float value) { return bytes(1, tag) + "\x15" + fixed(value); }
  static std::string tensor(const std::string& tag, const std::string& proto) {
    return bytes(1, tag) + bytes(8, proto);
  }

  std::string content;
};

EventFile sample_events() {
  EventFile file;
  file.add("\x09" + EventFile::fixed(1.7e9) + EventFile::bytes(3, "brain.Event:2"));
  file.add(1.7e9 + 0.25, 10, {EventFile::scalar("loss", 0.5F), EventFile::scalar("accuracy", 0.125F)});
  const std::string one_float = "\x08\x01" + EventFile::bytes(2, "") + EventFile::bytes(5, EventFile::fixed(2.5F));
  const std::string one_double = "\x08\x02" + EventFile::bytes(4, EventFile::fixed(0.1));
  const std::string text = "\x08\x07" + EventFile::bytes(8, "not a number");
  const std::string two_floats = "\x08\x01" + EventFile::bytes(4, EventFile::fixed(1.0));
  file.add(1.7e9 + 1, 20,
           {EventFile::tensor("loss", one_float), EventFile::tensor("double", one_double),
            EventFile::tensor("text", text), EventFile::tensor("pair", two_floats)});
  return file;
}

class MetricImportTest : public testing::Test {
 protected:
  Result<std::uint64_t> tensorboard(std::string_view content) {
    return import_tensorboard(as_bytes(content), "run", log_);
  }

  GatedEntryStore store_;
  MetricLog log_{store_, {.flush_rows = 1'000'000, .flush_interval = std::chrono::hours(1)}};
};

TEST_F(MetricImportTest, TheChecksumIsThatOfTheFormat) {
  EXPECT_EQ(EventFile::masked("123456789"), ((0xE3069283u >> 15 | 0xE3069283u << 17) + 0xA282EAD8u));
}

TEST_F(MetricImportTest, ScalarsOfEventFilesAreRows) {
  const auto rows = tensorboard(sample_events().content);
  ASSERT_TRUE(rows.ok()) << rows.error().message;
  EXPECT_EQ(*rows, 2u);
  ASSERT_TRUE(log_.flush().ok());
  const MetricRows found = rows_of_run(store_, "run").first;
  EXPECT_EQ(found.steps(), (std::vector<std::int64_t>{10, 20}));
  EXPECT_EQ(found.times_ns(), (std::vector<std::int64_t>{1'700'000'000'250'000'000, 1'700'000'001'000'000'000}));
  EXPECT_EQ(found.columns().size(), 3u);
  EXPECT_EQ(column_of(found, "loss")->reals, (std::vector<double>{0.5, 2.5}));
  EXPECT_EQ(column_of(found, "accuracy")->reals, std::vector<double>{0.125});
  EXPECT_EQ(column_of(found, "double")->reals, std::vector<double>{0.1});
}

TEST_F(MetricImportTest, AnEventFileThatBreaksOffEndsBeforeThat) {
  const std::string content = sample_events().content;
  for (std::size_t size = 0; size < content.size(); ++size) {
    const auto rows = tensorboard(std::string_view(content).substr(0, size));
    ASSERT_TRUE(rows.ok()) << size << ": " << rows.error().message;
    EXPECT_LT(*rows, 2u) << size;
  }
}

TEST_F(MetricImportTest, ADamagedEventFileIsRefusedWhereverTheDamageIs) {
  const std::string content = sample_events().content;
  for (std::size_t at = 0; at < content.size(); ++at) {
    std::string damaged = content;
    damaged[at] = static_cast<char>(damaged[at] ^ 0x20);
    const auto rows = tensorboard(damaged);
    ASSERT_FALSE(rows.ok()) << at;
    EXPECT_EQ(rows.error().code, ErrorCode::corruption);
    EXPECT_NE(rows.error().message.find("event file: the record at offset"), std::string::npos);
  }
}

TEST_F(MetricImportTest, EventsThatLieAboutTheirLengthsAreRefused) {
  for (const std::string& event :
       {std::string("\x2a\xff\xff\xff\xff\x0f"), std::string("\x2a\x05\x0a\x7f\x00\x00\x00", 7),
        std::string("\x09\x01"), std::string(40, '\xff'), EventFile::bytes(5, EventFile::bytes(1, "\x42\x7f"))}) {
    EventFile file;
    file.add(event);
    const auto rows = tensorboard(file.content);
    EXPECT_FALSE(rows.ok());
  }
}

TEST_F(MetricImportTest, RandomEventsHarmNobody) {
  SampleBits random(11);
  for (int i = 0; i < 3000; ++i) {
    std::string event = sample_events().content.substr(40, 120);
    for (std::uint64_t flips = random.next() % 8; flips > 0; --flips) {
      event[random.next() % event.size()] = static_cast<char>(random.next());
    }
    EventFile file;
    file.add(event.substr(random.next() % 40));
    static_cast<void>(tensorboard(file.content).ok());
  }
}

TEST_F(MetricImportTest, CsvComesBackAsItWasExported) {
  const auto run = log_.run("one").value();
  const std::vector<NamedMetric> first = {{"loss", 0.1}, {"n", 7}, {"note", "a \"quoted\",\r\nline"}},
                                 second = {{"loss", -1e-300}, {"empty", ""}};
  ASSERT_TRUE(log_.log(run, 5, first, 1000).ok());
  ASSERT_TRUE(log_.log(run, -1, second, 2000).ok());
  MetricReader reader(store_, &log_);
  std::string csv;
  const std::vector<std::string> runs = {"one"};
  const auto keep = [&](Bytes bytes) {
    csv += as_text(bytes);
    return Status();
  };
  ASSERT_TRUE(export_metrics(reader, runs, MetricFormat::csv, keep).ok());
  GatedEntryStore other_store;
  MetricLog other(other_store);
  EXPECT_EQ(import_csv(csv, "unused", other).value(), 2u);
  ASSERT_TRUE(other.flush().ok());
  std::string again;
  MetricReader other_reader(other_store, &other);
  const auto keep_again = [&](Bytes bytes) {
    again += as_text(bytes);
    return Status();
  };
  ASSERT_TRUE(export_metrics(other_reader, runs, MetricFormat::csv, keep_again).ok());
  EXPECT_EQ(again, csv);
}

TEST_F(MetricImportTest, CsvOfOthersIsRead) {
  const auto rows = import_csv(
      "\xef\xbb\xbf"
      "loss,acc\n0.5,1\n\n0.25,\nnan,x",
      "run", log_);
  ASSERT_TRUE(rows.ok()) << rows.error().message;
  EXPECT_EQ(*rows, 3u);
  ASSERT_TRUE(log_.flush().ok());
  const MetricRows found = rows_of_run(store_, "run").first;
  EXPECT_EQ(found.steps(), (std::vector<std::int64_t>{0, 1, 2}));
  EXPECT_EQ(column_of(found, "loss")->count(), 3u);
  EXPECT_TRUE(std::isnan(column_of(found, "loss")->reals[2]));
  EXPECT_EQ(column_of(found, "acc")->integers, std::vector<std::int64_t>{1});
}

TEST_F(MetricImportTest, WrongCsvIsRefusedByTheLine) {
  const auto refused = [&](std::string_view text, const std::string& why) {
    const auto rows = import_csv(text, "run", log_);
    ASSERT_FALSE(rows.ok()) << text;
    EXPECT_EQ(rows.error().code, ErrorCode::invalid_argument);
    EXPECT_NE(rows.error().message.find(why), std::string::npos) << rows.error().message;
  };
  refused("", "line 1 of the CSV is missing");
  refused("a,b\n1\n", "line 2 of the CSV does not have as many fields");
  refused("a\n1\n\"x", "line 3 of the CSV has a quote that nothing closes");
  refused("a\n\"x\"y\n", "line 2 of the CSV goes on behind");
  refused("step,a\n1.5,1\n", "no integer as its step");
  refused("a\n" + std::string(5000, 'x'), "too long");
}

}  // namespace
}  // namespace cairn
