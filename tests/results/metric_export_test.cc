// SPDX-License-Identifier: Apache-2.0
//
// Exports say what was logged. That others read the Parquet is shown by tests/scripts/parquet_test.py, from the files
// that are written here when CAIRN_PARQUET_FOLDER says where.
#include "engine/results/metric_export.h"

#include <cstdlib>
#include <fstream>
#include <limits>

#include "engine/base/endian.h"
#include "engine/results/parquet_writer.h"
#include "engine/results/rle_hybrid.h"
#include "engine/results/thrift_compact.h"
#include "tests/results/metric_fixture.h"

namespace cairn {
namespace {

constexpr double kNan = std::numeric_limits<double>::quiet_NaN();
constexpr double kInfinity = std::numeric_limits<double>::infinity();

class MetricExportTest : public testing::Test {
 protected:
  void log(const std::string& run, std::int64_t step, const std::vector<NamedMetric>& row) {
    ASSERT_TRUE(log_.log(log_.run(run).value(), step, row, 1'700'000'000'000'001'000 + step * 1000).ok());
  }
  std::string exported(MetricFormat format, const std::vector<std::string>& runs) {
    std::string text;
    const Status status = export_metrics(reader_, runs, format, [&](Bytes bytes) {
      text += as_text(bytes);
      return Status();
    });
    EXPECT_TRUE(status.ok()) << status.error().message;
    return text;
  }
  // To where the script wants it; to nowhere, but all the same, when nobody does.
  void save(const std::string& name, const std::vector<std::string>& runs) {
    for (const auto& [format, ending] :
         {std::pair{MetricFormat::parquet, ".parquet"}, std::pair{MetricFormat::csv, ".csv"}}) {
      std::ofstream out = file(name + ending);
      std::size_t bytes = 0;
      const Status status = export_metrics(reader_, runs, format, [&](Bytes part) {
        bytes += part.size();
        out.write(reinterpret_cast<const char*>(part.data()), static_cast<std::streamsize>(part.size()));
        return Status();
      });
      EXPECT_TRUE(status.ok()) << status.error().message;
      EXPECT_NE(bytes, 0u);
    }
  }
  static std::ofstream file(const std::string& name) {
    const char* const folder = std::getenv("CAIRN_PARQUET_FOLDER");
    return std::ofstream(folder == nullptr ? "/dev/null" : std::string(folder) + "/" + name, std::ios::binary);
  }

  GatedEntryStore store_;
  MetricLog log_{store_, {.flush_rows = 1'000'000, .flush_interval = std::chrono::hours(1)}};
  MetricReader reader_{store_, &log_};
};

TEST_F(MetricExportTest, CsvHasEveryValueAndNothingForTheMissing) {
  log("a,b", 1, {{"loss", 0.1}, {"count", 7}, {"note", "say \"hi\",\nthen go"}});
  log("a,b", -1, {{"loss", kNan}, {"note", ""}});
  log("c", 2, {{"loss", -kInfinity}, {"count", std::numeric_limits<std::int64_t>::min()}});
  EXPECT_EQ(exported(MetricFormat::csv, {"a,b", "c"}),
            "run,step,time_ns,count,loss,note\r\n"
            "\"a,b\",1,1700000000000002000,7,0.1,\"say \"\"hi\"\",\nthen go\"\r\n"
            "\"a,b\",-1,1700000000000000000,,nan,\"\"\r\n"
            "c,2,1700000000000003000,-9223372036854775808,-inf,\r\n");
}

TEST_F(MetricExportTest, JsonLinesAreObjectsWithoutTheMissing) {
  log("run", 1, {{"lo\"ss", 0.1}, {"note", "a\tb\xff"}});
  log("run", 2, {{"x", kInfinity}, {"n", 3}});
  EXPECT_EQ(exported(MetricFormat::json_lines, {"run"}),
            "{\"run\":\"run\",\"step\":1,\"time_ns\":1700000000000002000,\"lo\\\"ss\":0.1,\"note\":"
            "\"a\\u0009b\xef\xbf\xbd\"}\n"
            "{\"run\":\"run\",\"step\":2,\"time_ns\":1700000000000003000,\"n\":3,\"x\":\"Infinity\"}\n");
}

TEST_F(MetricExportTest, SeriesThatWouldShareANameGetOneEach) {
  log("run", 1, {{"step", 5}, {"x", 1}});
  log("run", 2, {{"x", "text"}, {"x (text)", 2.5}});
  const std::string csv = exported(MetricFormat::csv, {"run"});
  EXPECT_EQ(csv.substr(0, csv.find('\r')), "run,step,time_ns,step (2),x,x (text),x (text) (2)");
}

TEST_F(MetricExportTest, AnOutputThatFailsEndsTheExport) {
  log("run", 1, {{"x", 1}});
  for (const MetricFormat format : {MetricFormat::csv, MetricFormat::json_lines, MetricFormat::parquet}) {
    int calls = 0;
    const std::vector<std::string> runs = {"run"};
    const Status status = export_metrics(reader_, runs, format, [&](Bytes) -> Status {
      ++calls;
      return make_error(ErrorCode::no_space, "the disk is full");
    });
    ASSERT_FALSE(status.ok());
    EXPECT_EQ(status.error().code, ErrorCode::no_space);
    EXPECT_EQ(calls, 1);
  }
  const std::vector<std::string> nobody = {"nobody"};
  EXPECT_EQ(export_metrics(reader_, nobody, MetricFormat::csv, {}).error().code, ErrorCode::not_found);
}

TEST_F(MetricExportTest, ParquetFilesForOtherReaders) {
  const std::vector<double> odd = {0.0, -0.0, kNan, kInfinity, -kInfinity, 5e-324, 1.7e308, 0.1, -1.0 / 3};
  for (int i = 0; i < 500; ++i) {
    const auto step = static_cast<std::size_t>(i);
    const std::string text = i % 4 == 0 ? "" : i % 4 == 1 ? "ibm,\"kyoto\"" : "grün " + std::to_string(i % 7);
    std::vector<NamedMetric> row = {{"double", odd[step % odd.size()]},
                                    {"float", static_cast<float>(i) / 3},
                                    {"integer", (i % 2 == 0 ? 1 : -1) * (std::int64_t{1} << i % 63)}};
    if (i % 3 == 0) row.push_back({"sparse", 1.5 * i});
    if (i % 5 != 0) row.push_back({"text", text});
    if (i == 250) row.push_back({"once", 1});
    if (i % 2 == 0) row.push_back({"nan", kNan});
    log("types", i % 10 == 9 ? -1 : i, row);
  }
  save("types", {"types"});
  const char* const scale = std::getenv("CAIRN_TEST_SCALE");
  const int rows = scale != nullptr && std::string_view(scale) == "long" ? 10'000'000 : 300'000;
  for (int i = 0; i < rows; ++i) {
    log("long", i, {{"loss", static_cast<float>(i % 1000) * 0.25F}, {"i", i}});
  }
  log("fine", 1, {{"x", 1}});
  save("long", {"long", "fine"});
  std::ofstream empty = file("empty.parquet");
  ParquetWriter writer({{"i", ParquetType::int64, false},
                        {"f", ParquetType::float32, true},
                        {"d", ParquetType::float64, true},
                        {"t", ParquetType::text, true},
                        {"us", ParquetType::timestamp_us, true},
                        {"ns", ParquetType::timestamp_ns, false}},
                       [&](Bytes part) {
                         empty.write(reinterpret_cast<const char*>(part.data()),
                                     static_cast<std::streamsize>(part.size()));
                         return Status();
                       });
  EXPECT_TRUE(writer.finish().ok());
}

TEST_F(MetricExportTest, AHundredThousandRowsOfTrainingFitInTenMegabytes) {
  SampleBits random(1);
  const auto run = log_.run("run").value();
  for (int i = 0; i < 100'000; ++i) {
    const auto noisy = [&](double level) { return level * (1 + 0.01 * random.normal()); };
    ASSERT_TRUE(log_.log(run, i,
                         TrainingMetrics{.epoch = i / 1000,
                                         .train_loss = static_cast<float>(noisy(2)),
                                         .val_loss = i % 100 == 0 ? std::optional<double>(static_cast<float>(noisy(2)))
                                                                  : std::nullopt,
                                         .grad_norm = static_cast<float>(noisy(1)),
                                         .grad_max = static_cast<float>(noisy(3)),
                                         .grad_min = static_cast<float>(noisy(0.1)),
                                         .circuit_execution_time_ms = noisy(120),
                                         .circuits_executed = 16,
                                         .qubits_used = 27,
                                         .shots_per_circuit = 4096,
                                         .backend = i % 2 == 0 ? "ibm_kyoto" : "aer",
                                         .queue_time_ms = noisy(900),
                                         .cost_usd = i * 0.0125,
                                         .credits_used = i * 0.5,
                                         .batch_time_ms = static_cast<float>(noisy(50)),
                                         .throughput_samples_per_sec = static_cast<float>(noisy(640))})
                    .ok());
  }
  const std::size_t bytes = exported(MetricFormat::parquet, {"run"}).size();
  EXPECT_LE(bytes, 10'000'000u);
  RecordProperty("parquet_bytes", std::to_string(bytes));
  save("training", {"run"});
}

// --- The writer's parts ---

std::vector<std::uint32_t> read_rle_hybrid(Bytes bytes, unsigned width, std::size_t count) {
  std::vector<std::uint32_t> values;
  ByteReader reader(bytes);
  while (values.size() < count) {
    std::uint64_t header = 0;
    for (unsigned shift = 0;; shift += 7) {
      const auto byte = reader.get<std::uint8_t>();
      if (!byte) return {};
      header |= std::uint64_t{*byte & 127u} << shift;
      if (*byte < 128) break;
    }
    const std::uint64_t size = header >> 1;
    if ((header & 1) == 0) {
      std::uint32_t value = 0;
      for (unsigned bits = 0; bits < width; bits += 8) value |= std::uint32_t{*reader.get<std::uint8_t>()} << bits;
      values.insert(values.end(), size, value);
    } else {
      const auto packed = *reader.get_bytes(size * width);
      for (std::uint64_t i = 0; i < size * 8; ++i) {
        std::uint32_t value = 0;
        for (unsigned bit = 0; bit < width; ++bit) {
          const std::uint64_t at = i * width + bit;
          value |= (static_cast<std::uint32_t>(packed[at / 8]) >> at % 8 & 1u) << bit;
        }
        values.push_back(value);
      }
    }
  }
  EXPECT_TRUE(reader.exhausted());
  EXPECT_LE(values.size(), count + 7);
  values.resize(count);
  return values;
}

TEST(ParquetWriterTest, RunsAndPackedNumbersComeBack) {
  SampleBits random(5);
  for (unsigned width = 1; width <= 32; ++width) {
    for (const std::size_t count : {0u, 1u, 7u, 8u, 9u, 64u, 1000u}) {
      for (const unsigned longest : {1u, 3u, 40u}) {
        std::vector<std::uint32_t> values;
        while (values.size() < count) {
          const auto value = static_cast<std::uint32_t>(random.next() >> (64 - width));
          values.insert(values.end(), std::min<std::size_t>(1 + random.next() % longest, count - values.size()), value);
        }
        std::vector<std::byte> out;
        put_rle_hybrid(values, width, out);
        EXPECT_EQ(read_rle_hybrid(out, width, count), values) << width << " " << count << " " << longest;
      }
    }
  }
}

TEST(ParquetWriterTest, ThriftIsWrittenAsItsSpecificationSays) {
  std::vector<std::byte> out;
  ThriftWriter thrift(out);
  thrift.i32(1, -1);
  thrift.text(3, "ab");
  thrift.begin(20);
  thrift.boolean(1, true);
  thrift.boolean(2, false);
  thrift.end();
  thrift.list_of_i32(21, 2);
  thrift.element(1);
  thrift.element(150);
  thrift.i64(40, 1);
  thrift.finish();
  const std::vector<unsigned> expected = {0x15, 1,    0x28, 2, 'a',  'b', 0x0c, 40, 0x11, 0x12,
                                          0,    0x19, 0x25, 2, 0xac, 2,   0x06, 80, 2,    0};
  std::vector<unsigned> written;
  for (const std::byte byte : out) written.push_back(static_cast<unsigned>(byte));
  EXPECT_EQ(written, expected);
}

TEST(ParquetWriterTest, AFileIsFramedAndItsPiecesAreWhereTheFooterSays) {
  std::vector<std::byte> file;
  const auto keep = [&](Bytes bytes) {
    file.insert(file.end(), bytes.begin(), bytes.end());
    return Status();
  };
  ParquetWriter writer({{"n", ParquetType::int64, true}, {"t", ParquetType::text, false}}, keep);
  const std::vector<ParquetChunk> chunks = {{.present = {1, 0, 1}, .integers = {5, -7}},
                                            {.texts = {0, 1, 0}, .dictionary = {"x", "y"}}};
  ASSERT_TRUE(writer.add_row_group(3, chunks).ok());
  ASSERT_TRUE(writer.finish().ok());
  ASSERT_GT(file.size(), 12u);
  EXPECT_EQ(as_text(Bytes(file).first(4)), "PAR1");
  EXPECT_EQ(as_text(Bytes(file).last(4)), "PAR1");
  const auto footer_bytes = load_le<std::uint32_t>(file.data() + file.size() - 8);
  const std::string_view footer = as_text(Bytes(file).subspan(file.size() - 8 - footer_bytes, footer_bytes));
  // Statistics of n: 1 null, and 5 and -7 as PLAIN has them.
  const std::string range =
      std::string("\x36\x02\x28\x08\x05\0\0\0\0\0\0\0\x18\x08\xf9\xff\xff\xff\xff\xff\xff\xff", 22);
  EXPECT_NE(footer.find(range), std::string_view::npos);
}

TEST(ParquetWriterTest, ChunksThatDoNotFitAreRefused) {
  ParquetWriter writer({{"n", ParquetType::int64, false}, {"t", ParquetType::text, true}},
                       [](Bytes) { return Status(); });
  const ParquetChunk numbers{.integers = {1, 2}}, texts{.texts = {0, 0}, .dictionary = {"x"}};
  const auto refused = [&](std::size_t rows, const std::vector<ParquetChunk>& chunks) {
    const Status status = writer.add_row_group(rows, chunks);
    EXPECT_TRUE(!status.ok() && status.error().code == ErrorCode::invalid_argument);
  };
  refused(0, {numbers, texts});
  refused(2, {numbers});
  refused(3, {numbers, texts});
  refused(2, {{.present = {1, 1}, .integers = {1, 2}}, texts});
  refused(2, {numbers, {.present = {1}, .texts = {0}, .dictionary = {"x"}}});
  refused(2, {numbers, {.present = {1, 0}, .texts = {1}, .dictionary = {"x"}}});
  EXPECT_TRUE(writer.add_row_group(2, std::vector<ParquetChunk>{numbers, texts}).ok());
  EXPECT_TRUE(writer.finish().ok());
}

}  // namespace
}  // namespace cairn
