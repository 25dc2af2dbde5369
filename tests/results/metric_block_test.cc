// SPDX-License-Identifier: Apache-2.0
//
// What is encoded in a block comes back, in few bytes; what is no block is refused by the name of the field.
#include "engine/results/metric_block.h"

#include <filesystem>
#include <fstream>
#include <limits>
#include <sstream>

#include "engine/base/endian.h"
#include "tests/results/metric_samples.h"
#include "tests/support/source_tree.h"

namespace cairn {
namespace {

constexpr double kNan = std::numeric_limits<double>::quiet_NaN();
constexpr double kInfinity = std::numeric_limits<double>::infinity();

MetricRows every_kind() {
  MetricRows rows;
  const std::vector<double> odd = {0.0, -0.0, kNan, kInfinity, -kInfinity, 5e-324, 1.7e308, 0.1, -1.0 / 3};
  for (std::size_t i = 0; i < 40; ++i) {
    rows.begin_row(i % 5 == 4 ? -1 : static_cast<std::int64_t>(i), kSampleTimeNs + static_cast<std::int64_t>(i * i));
    rows.add_real(rows.column("double", MetricKind::real), odd[i % odd.size()]);
    if (i % 3 == 0)
      rows.add_real(rows.column("float", MetricKind::real), i % 2 == 0 ? kNan : 0.5 * static_cast<double>(i));
    if (i % 4 == 1) {
      rows.add_integer(rows.column("integer", MetricKind::integer), i % 8 == 1
                                                                        ? std::numeric_limits<std::int64_t>::min()
                                                                        : std::numeric_limits<std::int64_t>::max());
    }
    if (i % 7 != 0) rows.add_text(rows.column("backend", MetricKind::text), i % 2 == 0 ? "ibm_kyoto" : "");
    if (i == 13) rows.add_integer(rows.column("float", MetricKind::integer), 7);
  }
  return rows;
}

std::vector<std::byte> encoded(const MetricRows& rows) {
  auto block = encode_metric_block(rows);
  EXPECT_TRUE(block.ok()) << block.error().message;
  return std::move(block).value();
}

void expect_round_trip(const MetricRows& rows) {
  const auto block = encoded(rows);
  const auto back = decode_metric_block(block);
  ASSERT_TRUE(back.ok()) << back.error().message;
  expect_equal_rows(rows, *back);
}

TEST(MetricBlockTest, EveryKindOfValueComesBackAndSoDoTheMissingOnes) {
  expect_round_trip(every_kind());
  expect_round_trip({});
  expect_round_trip(training_rows(1, 1));
  expect_round_trip(training_rows(1000, 38));
}

TEST(MetricBlockTest, RandomRowsComeBack) {
  for (std::uint64_t seed = 1; seed <= 60; ++seed) {
    SCOPED_TRACE(seed);
    SampleBits random(seed);
    MetricRows rows;
    const std::size_t count = random.next() % 200, series = 1 + random.next() % 12;
    for (std::size_t i = 0; i < count; ++i) {
      rows.begin_row(static_cast<std::int64_t>(random.next() >> random.next() % 64),
                     static_cast<std::int64_t>(random.next() >> random.next() % 64));
      for (std::size_t s = 0; s < series; ++s) {
        const std::string name(1 + s, 's');
        const std::uint64_t bits = random.next() >> random.next() % 64;
        switch (random.next() % 6) {
          case 0: rows.add_real(rows.column(name, MetricKind::real), std::bit_cast<double>(bits)); break;
          case 1:
            rows.add_real(rows.column(name, MetricKind::real), std::bit_cast<float>(static_cast<std::uint32_t>(bits)));
            break;
          case 2: rows.add_integer(rows.column(name, MetricKind::integer), static_cast<std::int64_t>(bits)); break;
          case 3: rows.add_text(rows.column(name, MetricKind::text), std::to_string(bits % 5)); break;
          default: break;
        }
      }
    }
    expect_round_trip(rows);
  }
}

TEST(MetricBlockTest, AFloatTakesAtMostFiveBytesWithItsStepAndTime) {
  for (const auto& [steps, series] : {std::pair{10000, 1}, std::pair{10000, 38}, std::pair{1000, 38}}) {
    const MetricRows rows = training_rows(static_cast<std::size_t>(steps), static_cast<std::size_t>(series));
    const double bytes = static_cast<double>(encoded(rows).size()) / static_cast<double>(rows.points());
    EXPECT_LE(bytes, 5) << steps << " x " << series;
    RecordProperty("bytes_per_point_" + std::to_string(steps) + "x" + std::to_string(series), std::to_string(bytes));
  }
}

TEST(MetricBlockTest, TheHeadSaysWhatIsInTheColumns) {
  const auto head = read_metric_block_head(encoded(every_kind()));
  ASSERT_TRUE(head.ok()) << head.error().message;
  EXPECT_EQ(head->rows, 40u);
  EXPECT_EQ(head->min_step, -1);
  EXPECT_EQ(head->max_step, 38);
  EXPECT_EQ(head->min_time_ns, kSampleTimeNs);
  EXPECT_EQ(head->max_time_ns, kSampleTimeNs + 39 * 39);
  ASSERT_EQ(head->columns.size(), 5u);
  const MetricColumnHead& reals = head->columns[0];
  EXPECT_EQ(reals.name, "double");
  EXPECT_EQ(reals.count, 40u);
  EXPECT_EQ(reals.nans, 5u);
  EXPECT_EQ(reals.min, -kInfinity);
  EXPECT_EQ(reals.max, kInfinity);
  EXPECT_EQ(reals.last, kInfinity);
}

TEST(MetricBlockTest, OnlyWantedColumnsAreDecoded) {
  const auto block = encoded(every_kind());
  const auto some = decode_metric_block(block, [](std::string_view name) { return name == "float"; });
  ASSERT_TRUE(some.ok()) << some.error().message;
  ASSERT_EQ(some->columns().size(), 2u);
  EXPECT_EQ(some->columns()[0].kind, MetricKind::real);
  EXPECT_EQ(some->columns()[1].kind, MetricKind::integer);
  EXPECT_EQ(some->columns()[1].rows, std::vector<std::uint32_t>{13});
  EXPECT_EQ(some->rows(), 40u);
}

TEST(MetricBlockTest, ASeriesThatHasAValueInTheRowGetsAnotherRow) {
  MetricRows rows;
  rows.begin_row(3, 7);
  const auto column = rows.column("x", MetricKind::real);
  rows.add_real(column, 1);
  rows.add_real(column, 2);
  EXPECT_EQ(rows.steps(), (std::vector<std::int64_t>{3, 3}));
  EXPECT_EQ(rows.times_ns(), (std::vector<std::int64_t>{7, 7}));
  EXPECT_EQ(rows.columns()[0].reals, (std::vector<double>{1, 2}));
}

TEST(MetricBlockTest, JoinedRowsAreThoseOfBoth) {
  MetricRows joined = training_rows(50, 3, 1);
  joined.append(every_kind());
  joined.append(training_rows(50, 2, 2));
  EXPECT_EQ(joined.rows(), 140u);
  EXPECT_EQ(joined.points(), 150 + every_kind().points() + 100);
  expect_round_trip(joined);
}

TEST(MetricBlockTest, RowsAreSortedByTimeWithTheirValues) {
  MetricRows rows;
  for (const int time : {5, 1, 3, 1}) {
    rows.begin_row(10 * time, time);
    if (time != 3) rows.add_integer(rows.column("x", MetricKind::integer), static_cast<std::int64_t>(rows.rows()));
    rows.add_text(rows.column("t", MetricKind::text), std::to_string(time));
  }
  rows.sort_by(std::vector<std::int64_t>(rows.times_ns()));
  EXPECT_EQ(rows.times_ns(), (std::vector<std::int64_t>{1, 1, 3, 5}));
  EXPECT_EQ(rows.steps(), (std::vector<std::int64_t>{10, 10, 30, 50}));
  EXPECT_EQ(rows.columns()[0].rows, (std::vector<std::uint32_t>{0, 1, 3}));
  EXPECT_EQ(rows.columns()[0].integers, (std::vector<std::int64_t>{2, 4, 1}));
  EXPECT_EQ(rows.columns()[1].texts, (std::vector<std::uint32_t>{1, 1, 2, 0}));
}

TEST(MetricBlockTest, EveryTruncationIsRefused) {
  const auto block = encoded(every_kind());
  for (std::size_t size = 0; size < block.size(); ++size) {
    const auto cut = decode_metric_block(Bytes(block).first(size));
    ASSERT_FALSE(cut.ok()) << size;
    EXPECT_EQ(cut.error().code, ErrorCode::corruption) << size;
    EXPECT_NE(cut.error().message.find("metric block: field '"), std::string::npos) << cut.error().message;
  }
}

TEST(MetricBlockTest, EveryFlippedByteIsRefusedOrGivesRowsThatAreWhole) {
  const auto block = encoded(every_kind());
  for (std::size_t at = 0; at < block.size(); ++at) {
    for (const unsigned flip : {0x01u, 0x80u, 0xffu}) {
      auto damaged = block;
      damaged[at] ^= static_cast<std::byte>(flip);
      const auto rows = decode_metric_block(damaged);
      if (!rows.ok()) {
        EXPECT_TRUE(rows.error().code == ErrorCode::corruption || rows.error().code == ErrorCode::unsupported) << at;
        continue;
      }
      for (const MetricColumn& column : rows->columns()) {
        EXPECT_EQ(column.rows.size(), column.reals.size() + column.integers.size() + column.texts.size()) << at;
      }
    }
  }
}

TEST(MetricBlockTest, TheFixedFieldsAreRefusedByName) {
  const auto refused = [](std::size_t at, std::uint8_t value, const std::string& field) {
    auto block = encoded(every_kind());
    block[at] = static_cast<std::byte>(value);
    const auto rows = decode_metric_block(block);
    ASSERT_FALSE(rows.ok()) << field;
    EXPECT_NE(rows.error().message.find(field), std::string::npos) << rows.error().message;
  };
  refused(0, 2, "newer version");
  refused(0, 0, "'version' at offset 0");
  refused(1, 1, "'tick' at offset 1");
  refused(2, 1, "'reserved' at offset 2");
  refused(6, 0x40, "'rows' at offset 4");
  refused(8, 3, "'min_step' at offset 8");
  refused(24, 3, "'min_time' at offset 24");
  refused(43, 1, "'columns' at offset 40");
  refused(44, 255, "'shapes' at offset 44");
  refused(51, 1, "'directory_bytes' at offset 48");
}

TEST(MetricBlockTest, MoreThanABlockHoldsIsRefused) {
  MetricRows rows;
  rows.begin_row(0, 0);
  for (std::size_t i = 0; i <= kMetricBlockColumnsMax; ++i) {
    rows.add_integer(rows.column(std::to_string(i), MetricKind::integer), 1);
  }
  const auto block = encode_metric_block(rows);
  ASSERT_FALSE(block.ok());
  EXPECT_EQ(block.error().code, ErrorCode::invalid_argument);
}

// The bytes of golden/metric_block.hex are made from docs/format/metrics.md by hand.
std::vector<std::byte> read_hex(const std::filesystem::path& path) {
  std::ifstream in(path);
  EXPECT_TRUE(in) << path;
  std::vector<std::byte> bytes;
  for (std::string line; std::getline(in, line);) {
    std::istringstream words(line.substr(0, line.find('#')));
    for (std::string word; words >> word;) bytes.push_back(static_cast<std::byte>(std::stoul(word, nullptr, 16)));
  }
  return bytes;
}

TEST(MetricBlockTest, TheGoldenBlockIsWrittenAndRead) {
  MetricRows rows;
  rows.begin_row(10, 1'000'000'000'000);
  rows.add_real(rows.column("loss", MetricKind::real), 1.5);
  rows.add_text(rows.column("backend", MetricKind::text), "cpu");
  rows.begin_row(11, 1'000'001'000'000);
  rows.add_real(rows.column("loss", MetricKind::real), kNan);
  rows.begin_row(-1, 1'000'002'000'000);
  rows.add_integer(rows.column("epoch", MetricKind::integer), -2);
  const auto golden = read_hex(testing::source_tree() / "tests/results/golden/metric_block.hex");
  EXPECT_EQ(encoded(rows), golden);
  const auto back = decode_metric_block(golden);
  ASSERT_TRUE(back.ok()) << back.error().message;
  expect_equal_rows(rows, *back);
}

}  // namespace
}  // namespace cairn
