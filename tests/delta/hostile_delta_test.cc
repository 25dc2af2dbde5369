// SPDX-License-Identifier: Apache-2.0
//
// Payloads of deltas that nobody wrote: they are refused, or give elements; nothing else happens.
#include "tests/delta/delta_content.h"

namespace cairn::testing {
namespace {

TEST(HostileDelta, ChangedStreamsAreRefusedOrGiveElements) {
  std::mt19937_64 random(7);
  std::size_t refused = 0, decoded = 0;
  for (std::uint8_t number = 1; delta_kind_is_valid(number); ++number) {
    for (const DType dtype : {DType::f32, DType::bf16, DType::i64, DType::f8_e4m3}) {
      DeltaPlan plan{.kind = static_cast<DeltaKind>(number), .dtype = dtype, .shape = {33, 30}};
      plan.bytes = bytes_of(dtype, plan.shape);
      if (!check_plan(plan).ok()) continue;
      const Pair pair = pairs(dtype, plan.bytes, 8)[3];
      const Coded whole = encode(plan, 0.5, pair.target, pair.base);
      for (int turn = 0; turn < 300; ++turn) {
        Coded hostile = whole;
        std::vector<std::byte>& stream = hostile.streams[random() % hostile.streams.size()];
        switch (random() % 4) {
          case 0: stream.resize(stream.size() - std::min<std::size_t>(stream.size(), 1 + random() % 9)); break;
          case 1: stream.push_back(static_cast<std::byte>(random())); break;
          case 2: hostile.plan.step = random(); [[fallthrough]];
          default:
            for (int flips = 0; flips < 4 && !stream.empty(); ++flips)
              stream[random() % stream.size()] = static_cast<std::byte>(random());
        }
        const auto back = decode(hostile, pair.base);
        ++(back.ok() ? decoded : refused);
        ASSERT_TRUE(back.ok() || back.error().code == ErrorCode::corruption) << back.error().message;
      }
    }
  }
  EXPECT_GT(refused, 1000u);
  EXPECT_GT(decoded, 1000u);
}

TEST(HostileDelta, TheFirstThingThatIsWrongIsNamed) {
  const DeltaPlan plan{.kind = DeltaKind::sparse, .dtype = DType::u8, .shape = {4}, .bytes = 4};
  const Content base(4);
  const auto error = [&](std::vector<std::uint8_t> places, std::size_t values) {
    const Bytes bytes = std::as_bytes(std::span(places));
    const auto back = decode({.plan = plan, .streams = {Content(bytes.begin(), bytes.end()), Content(values)}}, base);
    return back.ok() ? std::string() : back.error().message;
  };
  EXPECT_EQ(error({0}, 0), "");
  EXPECT_EQ(error({2, 1, 1}, 2), "");
  EXPECT_NE(error({5, 0, 0, 0, 0, 0}, 5).find("more exceptions than elements"), std::string::npos);
  EXPECT_NE(error({2, 1, 2}, 2).find("outside its piece"), std::string::npos);
  EXPECT_NE(error({1, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 1}, 1).find("outside its piece"),
            std::string::npos);
  EXPECT_NE(error({1, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 2}, 1).find("too large"),
            std::string::npos);
  EXPECT_NE(error({1, 0x80, 0}, 1).find("longer than it need be"), std::string::npos);
  EXPECT_NE(error({1, 0}, 0).find("ends early"), std::string::npos);
  EXPECT_NE(error({1, 0}, 2).find("goes on"), std::string::npos);
  EXPECT_NE(error({}, 0).find("ends early"), std::string::npos);
}

}  // namespace
}  // namespace cairn::testing
