// SPDX-License-Identifier: Apache-2.0
//
// PyTorch and NumPy archives that their own tools would never write.
#include <gtest/gtest.h>

#include <chrono>

#include "tests/support/model_file_invariants.h"
#include "tests/support/model_file_writer.h"

namespace cairn {
namespace {

namespace pickle = testing::pickle;
using testing::counting_bytes;
using testing::npy_file;
using testing::zip_file;
using testing::ZipMember;

constexpr std::string_view kFloats = "{'descr': '<f4', 'fortran_order': False, 'shape': (2, 1), }\n";

ModelFile parse(const std::string& file, std::string_view name) {
  const MemorySource source(as_bytes(file));
  auto parsed = parse_model_file(source, name);
  EXPECT_TRUE(parsed.ok());
  EXPECT_EQ(testing::broken_promise(*parsed, file.size()), "");
  return std::move(parsed).value();
}

// Each region as "name:dtype[shape]@attribute".
std::string described(const ModelFile& file) {
  std::string out;
  for (const TensorRegion& region : file.tensors) {
    out += (out.empty() ? "" : " ") + region.name + ":" + std::string(dtype_name(region.dtype)) + "[";
    for (std::size_t i = 0; i < region.shape.size(); ++i) out += (i == 0 ? "" : ",") + std::to_string(region.shape[i]);
    out += "]";
    if (region.attribute != 0) out += "@" + std::to_string(region.attribute);
  }
  return out;
}

// An archive of one pickle, and of storage "0" with 24 bytes.
std::string archive(const std::string& value, std::vector<ZipMember> more = {}) {
  std::vector<ZipMember> members = {{"a/data.pkl", pickle::stream(value)}, {"a/data/0", counting_bytes(24)}};
  members.insert(members.end(), more.begin(), more.end());
  return zip_file(members);
}
std::string parsed_archive(const std::string& value, std::vector<ZipMember> more = {}) {
  return described(parse(archive(value, std::move(more)), "model.pt"));
}
std::string floats(std::int32_t first, const std::vector<std::int32_t>& shape,
                   const std::vector<std::int32_t>& strides) {
  return pickle::tensor(pickle::storage("FloatStorage", "0", 6), first, shape, strides);
}

TEST(ZipModelTest, EveryWayToWriteAZipIsRead) {
  const std::vector<ZipMember> plain = {{"w.npy", npy_file(kFloats, counting_bytes(8))}};
  std::vector<ZipMember> padded = plain;
  padded[0].padding_bytes = 100;
  std::vector<ZipMember> streamed = plain;
  streamed[0].flags = 8;
  for (const std::string& file :
       {zip_file(plain), zip_file(padded), zip_file(streamed), zip_file(plain, {.zip64 = true}),
        zip_file(plain, {.comment = "a comment"}), zip_file(plain, {.trailing = std::string(60000, '\0')}),
        // A comment that itself looks like an end record.
        zip_file(plain, {.comment = "PK\5\6" + std::string(30, '\0')})}) {
    const ModelFile parsed = parse(file, "w.npz");
    EXPECT_EQ(parsed.format, ModelFormat::npz) << parsed.note;
    ASSERT_EQ(described(parsed), "w:f32[2,1]");
    EXPECT_EQ(file.substr(parsed.tensors[0].offset, 8), counting_bytes(8));
    EXPECT_EQ(parsed.note, "");
  }
}

TEST(ZipModelTest, BytesInFrontOfTheArchiveShiftItsOffsets) {
  // The bytes in front begin as a ZIP does, so that the content is looked at.
  const std::vector<ZipMember> members = {{"w.npy", npy_file(kFloats, counting_bytes(8))}};
  for (const bool zip64 : {false, true}) {
    const std::string file = zip_file(members, {.zip64 = zip64, .prefix = "PK\3\4" + std::string(50, 'x')});
    const ModelFile parsed = parse(file, "w.npz");
    ASSERT_EQ(described(parsed), "w:f32[2,1]") << parsed.note;
    EXPECT_EQ(file.substr(parsed.tensors[0].offset, 8), counting_bytes(8));
  }
}

TEST(ZipModelTest, CompressedEncryptedAndObjectArraysAreLeftAlone) {
  const std::string array = npy_file(kFloats, counting_bytes(8));
  const std::string objects = npy_file("{'descr': '|O', 'fortran_order': False, 'shape': (1,), }\n", "....");
  const ModelFile parsed = parse(zip_file({{.name = "a.npy", .data = array, .method = 8},
                                           {.name = "b.npy", .data = array, .flags = 1},
                                           {.name = "c.npy", .data = objects},
                                           {.name = "d.npy", .data = array},
                                           {.name = "e.txt", .data = array}}),
                                 "x.npz");
  EXPECT_EQ(described(parsed), "d:f32[2,1]");
  EXPECT_EQ(parsed.note, "array 'a.npy' is compressed (and 2 more)");
}

TEST(ZipModelTest, AZipOfOtherThingsIsNoModel) {
  EXPECT_EQ(parse(zip_file({{"word/document.xml", "<w/>"}}), "letter.docx").note, "");
  EXPECT_EQ(parse(zip_file({{"word/document.xml", "<w/>"}}), "letter.docx").format, ModelFormat::opaque);
  EXPECT_NE(parse(zip_file({{"readme", "x"}}), "model.pt").note, "");
  const std::string whole = zip_file({{"w.npy", npy_file(kFloats, counting_bytes(8))}});
  EXPECT_NE(parse(whole.substr(0, whole.size() - 10), "w.npz").note, "");
}

TEST(ZipModelTest, NpyHeadersAreReadStrictly) {
  struct Case {
    std::string_view dict;
    std::string_view expected;
  };
  for (const Case& c : {
           Case{"{'descr': '<f2', 'fortran_order': True, 'shape': (2, 2)}", "array:f16[2,2]@1"},
           {"{'descr': '>i2', 'fortran_order': False, 'shape': (4,), }   \n", "array:i16[4]@2"},
           {"{'descr': '>i2', 'fortran_order': True, 'shape': (2, 2L)}", "array:i16[2,2]@3"},
           {"{'descr': '|b1', 'fortran_order': True, 'shape': (8,)}", "array:bool[8]"},
           {"{\"shape\": (), \"descr\": \"<c8\", \"fortran_order\": False}", "array:complex64[]"},
           {"{'descr': '<f8', 'fortran_order': False, 'shape': (0, 99999999999)}", "array:f64[0,99999999999]"},
           {"{'descr': '<f4', 'fortran_order': False, 'shape': (2)}", ""},
           {"{'descr': '<f4', 'fortran_order': False, 'shape': [2]}", ""},
           {"{'descr': '<f4', 'fortran_order': False, 'shape': (-1,)}", ""},
           {"{'descr': '<f4', 'fortran_order': False}", ""},
           {"{'descr': '<f4', 'fortran_order': False, 'shape': (1,), 'more': 1}", ""},
           {"{'descr': '<f4', 'descr': '<f4', 'fortran_order': False, 'shape': (1,)}", ""},
           {"{'descr': '<f4', 'fortran_order': False, 'shape': (1,)} x", ""},
           {"{'descr': '<f4', 'fortran_order': 0, 'shape': (1,)}", ""},
           {"{'descr': '<f16', 'fortran_order': False, 'shape': ()}", ""},
           {"{'descr': '|f4', 'fortran_order': False, 'shape': (1,)}", ""},
           {"{'descr': '<M8[ns]', 'fortran_order': False, 'shape': (1,)}", ""},
           {"{'descr': [('a', '<f4')], 'fortran_order': False, 'shape': (1,)}", ""},
           {"{'descr': __import__('os'), 'fortran_order': False, 'shape': (1,)}", ""},
           {"{'descr': '<f4', 'fortran_order': False, 'shape': (3,)}", ""},  // the data is cut off
           {"{'descr': '<f4', 'fortran_order': False, 'shape': (4294967296, 4294967296)}", ""},
       }) {
    for (const int version : {1, 2, 3}) {
      const ModelFile file = parse(npy_file(c.dict, counting_bytes(8), version), "x.npy");
      EXPECT_EQ(described(file), c.expected) << c.dict;
      EXPECT_EQ(file.note.empty(), !c.expected.empty()) << c.dict << file.note;
    }
  }
}

TEST(ZipModelTest, TensorsAreNamedByTheKeysThatLeadToThem) {
  const std::string value =
      pickle::dict({pickle::text("model"), pickle::dict({pickle::text("w"), floats(0, {2, 2}, {2, 1})}),
                    pickle::text("list"), "](" + floats(4, {1}, {1}) + floats(5, {}, {}) + "e", pickle::small(7), "N"});
  EXPECT_EQ(parsed_archive(value), "model.w:f32[2,2] list.0:f32[1] list.1:f32[]");
}

TEST(ZipModelTest, WhatTensorsLeaveOfAStorageKeepsItsType) {
  EXPECT_EQ(parsed_archive(pickle::tuple({floats(2, {3}, {1})})), "a/data/0:f32[2] 0:f32[3] a/data/0:f32[1]");
  // Transposed, strided and expanded views; one outside, one that overflows, one overlapping.
  for (const std::string& view : {floats(0, {2, 3}, {1, 2}), floats(0, {3}, {2}), floats(0, {6}, {0}),
                                  floats(1, {6}, {1}), floats(-1, {1}, {1}), floats(0, {-1}, {1})}) {
    EXPECT_EQ(parsed_archive(pickle::tuple({view})), "a/data/0:f32[6]");
  }
  EXPECT_EQ(parsed_archive(pickle::tuple({floats(0, {6}, {1}), floats(2, {2}, {1})})), "0:f32[6]");
}

TEST(ZipModelTest, StridesOfOneElementDoNotMatter) {
  EXPECT_EQ(parsed_archive(pickle::tuple({floats(0, {1, 6, 1}, {99, 1, 77})})), "0:f32[1,6,1]");
  EXPECT_EQ(parsed_archive(pickle::tuple({floats(0, {0, 6}, {1, 1})})), "0:f32[0,6] a/data/0:f32[6]");
}

TEST(ZipModelTest, Version3TensorsNameTheirElementType) {
  const std::string tensor =
      pickle::global("torch._utils", "_rebuild_tensor_v3") +
      pickle::tuple({pickle::storage("UntypedStorage", "0", 24), pickle::small(0), pickle::integers({4, 6}),
                     pickle::integers({6, 1}), "\x89", "}", pickle::global("torch", "float8_e4m3fn")}) +
      "R";
  EXPECT_EQ(parsed_archive(pickle::dict({pickle::text("w"), tensor})), "w:f8_e4m3[4,6]");
}

TEST(ZipModelTest, ABigEndianArchiveSaysSo) {
  const std::string value = pickle::dict({pickle::text("w"), floats(0, {6}, {1})});
  EXPECT_EQ(parsed_archive(value, {{"a/byteorder", "big"}}), "w:f32[6]@2");
  EXPECT_EQ(parsed_archive(value, {{"a/byteorder", "little"}}), "w:f32[6]");
  const std::string bytes = pickle::tensor(pickle::storage("ByteStorage", "0", 24), 0, {24}, {1});
  EXPECT_EQ(parsed_archive(pickle::tuple({bytes}), {{"a/byteorder", "big"}}), "0:u8[24]") << "one byte has no order";
}

TEST(ZipModelTest, NothingInAPickleIsRun) {
  // The classic: os.system("touch ..."). Here it is a function of which nothing is known.
  const std::string call =
      pickle::global("os", "system") + pickle::tuple({pickle::text("touch /tmp/cairn-was-run")}) + "R";
  EXPECT_EQ(parsed_archive(pickle::dict({pickle::text("x"), call, pickle::text("w"), floats(0, {6}, {1})})),
            "w:f32[6]");
}

TEST(ZipModelTest, APickleThatCannotBeFollowedLeavesTheStoragesItNamed) {
  const std::string value = floats(0, {6}, {1});
  const ModelFile parsed = parse(archive(value + "\xff"), "model.pt");
  EXPECT_EQ(described(parsed), "a/data/0:f32[6]");
  EXPECT_NE(parsed.note.find("pickle"), std::string::npos);
}

TEST(ZipModelTest, ContainersThatHoldThemselvesEnd) {
  // A list in itself; a list of lists that a naive walk would visit 2^60 times.
  EXPECT_EQ(parsed_archive("]q\x01h\x01"
                           "a"),
            "");
  std::string bomb = "]";
  for (int i = 0; i < 60; ++i)
    bomb = bomb + "q" + static_cast<char>(i) + "]h" + static_cast<char>(i) + "ah" + static_cast<char>(i) + "a";
  EXPECT_EQ(parsed_archive(bomb), "");
  std::string deep;
  for (int i = 0; i < 100000; ++i) deep += "]";
  deep += floats(0, {6}, {1});
  for (int i = 0; i < 100000; ++i) deep += "a";
  EXPECT_EQ(parsed_archive(deep), "a/data/0:f32[6]") << "too deep for a name, not for a type";
}

TEST(ZipModelTest, AmplifyingPicklesAreGivenUpQuickly) {
  const auto begin = std::chrono::steady_clock::now();
  // A long key, repeated by reference in front of very many tensors.
  std::string value = pickle::text(std::string(100000, 'k')) +
                      "q\x01"
                      "0" +
                      floats(0, {1}, {1}) +
                      "q\x02"
                      "0";
  std::string list = "](";
  for (int i = 0; i < 20000; ++i) list += "}h\x01" + floats(0, {1}, {1}) + "s";
  const ModelFile parsed = parse(archive(value + list + "e"), "model.pt");
  EXPECT_EQ(parsed.format, ModelFormat::opaque);
  EXPECT_NE(parsed.note.find("MiB"), std::string::npos) << parsed.note;
  EXPECT_LT(std::chrono::steady_clock::now() - begin, std::chrono::seconds(10));
}

TEST(ZipModelTest, EntriesThatAreOneAnotherDoNotOverlapAsRegions) {
  // Two storages in the same bytes: an archive whose directory lists one entry twice.
  std::string file = zip_file({{"w.npy", npy_file(kFloats, counting_bytes(8))}, {"w.npy", "x"}});
  const std::size_t directory = file.find("PK\1\2");
  const std::size_t second = file.find("PK\1\2", directory + 1);
  file.replace(second, 51, file.substr(directory, 51));
  EXPECT_EQ(described(parse(file, "w.npz")), "w:f32[2,1]");
}

}  // namespace
}  // namespace cairn
