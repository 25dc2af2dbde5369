// SPDX-License-Identifier: Apache-2.0
//
// Ids are frozen: these were computed by b3sum and xxh128sum from the bytes that
// docs/format/ids.md says are digested.
#include <gtest/gtest.h>

#include <set>

#include "tests/format/examples.h"

namespace cairn {
namespace {

constexpr auto kBlake3 = DigestKind::blake3;
constexpr auto kXxh3 = DigestKind::xxh3_128;

TEST(Ids, AreTheDigestsThatTheToolsCompute) {
  const auto t = examples::tensor();
  EXPECT_EQ(to_hex(kBlake3, tensor_id(kBlake3, t.dtype, t.attribute, t.shape, t.blob)),
            "dc2892ee3b0b01e3c1757820c7af6a789bddfdd4ac1e417a10647c22df4ad901");
  EXPECT_EQ(to_hex(kXxh3, tensor_id(kXxh3, t.dtype, t.attribute, t.shape, t.blob)), "24c7befb2ff8b1023532b256788bb205");
  EXPECT_EQ(to_hex(kBlake3, tree_id(kBlake3, encode(examples::tree()))),
            "7ce997ad2d5ca352c08315ef970727732f180e4ddb7aa9af6e947d2c8a339e07");
  EXPECT_EQ(to_hex(kXxh3, tree_id(kXxh3, encode(examples::tree()))), "77eb1a1c1e2a9881beceffa0a8b9155d");
  EXPECT_EQ(to_hex(kBlake3, snapshot_id(kBlake3, encode(examples::snapshot()))),
            "7b3b289a645b48dfeb68c9d07ada753dc3a377fc14ed7bdb775cb75afb67cebb");
  EXPECT_EQ(to_hex(kXxh3, snapshot_id(kXxh3, encode(examples::snapshot()))), "9ac408f0dcc91f86a7e0c80cdc07d212");
  EXPECT_EQ(to_hex(kBlake3, state_id(kBlake3, encode(examples::state()))),
            "dc83daa21716baf8905a55faeb095c00cae7490870b22b73f321bdee3af934b5");
  EXPECT_EQ(to_hex(kXxh3, state_id(kXxh3, encode(examples::state()))), "c6aee8d065adf6476ef79fe5f996c31e");
  EXPECT_EQ(to_hex(kBlake3, delta_id(kBlake3, encode(examples::delta()))),
            "be0c924d23d38a0fdf3981b5b83a3ff7c4ddc3035233662f4c3e174127c21fae");
  EXPECT_EQ(to_hex(kXxh3, delta_id(kXxh3, encode(examples::delta()))), "0c14614968be7ebe6bf96a2a55ddfe7a");
  EXPECT_EQ(to_hex(kBlake3, ref_key(kBlake3, "llama-sft", 3)),
            "527a2acb72c9d0b9083f8f6e5ebdc68cf3cd8d1772e086032f594b01e9eefed4");
  EXPECT_EQ(to_hex(kXxh3, ref_key(kXxh3, "llama-sft", 3)), "8aa381d2644d674e9214a1c2d56c58cb");
}

TEST(Ids, OfATensorDependOnEveryPartOfIt) {
  const Digest blob = examples::digest(1), other = examples::digest(2);
  const std::set<Digest> ids = {
      tensor_id(kBlake3, DType::f16, 0, {2, 3}, blob),  tensor_id(kBlake3, DType::bf16, 0, {2, 3}, blob),
      tensor_id(kBlake3, DType::f16, 1, {2, 3}, blob),  tensor_id(kBlake3, DType::f16, 0, {3, 2}, blob),
      tensor_id(kBlake3, DType::f16, 0, {6}, blob),     tensor_id(kBlake3, DType::f16, 0, {}, blob),
      tensor_id(kBlake3, DType::f16, 0, {2, 3}, other), tensor_id(kBlake3, DType::f16, 0, {2, 3, 1}, blob),
  };
  EXPECT_EQ(ids.size(), 8u);
}

TEST(Ids, OfTheSameBytesInDifferentRolesDiffer) {
  const auto bytes = encode(examples::tree());
  const std::set<Digest> ids = {tree_id(kBlake3, bytes), snapshot_id(kBlake3, bytes), digest_of(kBlake3, bytes)};
  EXPECT_EQ(ids.size(), 3u);
}

TEST(Ids, OfARefDependOnNameAndVersion) {
  EXPECT_NE(ref_key(kBlake3, "a", 1), ref_key(kBlake3, "a", 2));
  EXPECT_NE(ref_key(kBlake3, "a", 1), ref_key(kBlake3, "b", 1));
}

}  // namespace
}  // namespace cairn
