// SPDX-License-Identifier: Apache-2.0
#include "tests/support/archive_fixture.h"

#include <bit>
#include <fstream>
#include <iterator>

namespace cairn::testing {

std::string random_bytes(std::size_t count, std::uint64_t seed) {
  std::mt19937_64 random(seed);
  std::string out(count, '\0');
  for (char& c : out) c = static_cast<char>(random());
  return out;
}

std::string bf16_weights(std::size_t count, std::uint64_t seed) {
  std::mt19937_64 random(seed);
  std::normal_distribution<float> normal(0.0f, 0.02f);
  std::string out;
  out.reserve(2 * count);
  for (std::size_t i = 0; i < count; ++i) {
    const auto bits = std::bit_cast<std::uint32_t>(normal(random)) >> 16;
    out += static_cast<char>(bits & 0xff);
    out += static_cast<char>(bits >> 8);
  }
  return out;
}

std::string safetensors_of(const std::map<std::string, std::string>& tensors) {
  std::string header = "{";
  std::string data;
  for (const auto& [name, bytes] : tensors) {
    if (header.size() > 1) header += ",";
    header += "\"" + name + "\":{\"dtype\":\"BF16\",\"shape\":[" + std::to_string(bytes.size() / 2) +
              "],\"data_offsets\":[" + std::to_string(data.size()) + "," + std::to_string(data.size() + bytes.size()) +
              "]}";
    data += bytes;
  }
  header += "}";
  std::string length;
  for (int i = 0; i < 8; ++i) length += static_cast<char>((header.size() >> (8 * i)) & 0xff);
  return length + header + data;
}

void write_file(const std::string& path, const std::string& content) {
  std::filesystem::create_directories(std::filesystem::path(path).parent_path());
  std::ofstream out(path, std::ios::binary);
  out << content;
  ASSERT_TRUE(out.flush()) << path;
}

std::string read_file(const std::string& path) {
  std::ifstream in(path, std::ios::binary);
  EXPECT_TRUE(in) << path;
  return {std::istreambuf_iterator<char>(in), std::istreambuf_iterator<char>()};
}

Result<std::map<std::string, std::string>> read_version(Store& store, const std::string& ref) {
  CAIRN_TRY(const auto entries, store.archive().entries(ref));
  std::map<std::string, std::string> files;
  for (const EntryInfo& entry : entries) {
    if (entry.kind != "file") continue;
    std::string& content = files[entry.path];
    const auto sink = [&](std::span<const std::byte> bytes) -> Status {
      content.append(reinterpret_cast<const char*>(bytes.data()), bytes.size());
      return {};
    };
    CAIRN_CHECK(store.archive().read_file(ref, entry.path, sink));
  }
  return files;
}

Store open_store(FileSystem& fs, const std::string& path, Access access) {
  auto impl = StoreImpl::open(fs, path, {.access = access, .threads = 2}, {});
  if (!impl.ok()) {
    ADD_FAILURE() << impl.error().message;
    std::abort();
  }
  return StoreImpl::handle(std::move(impl).value());
}

void expect_whole(Store& store) {
  const auto report = store.check({.read_data = true});
  ASSERT_TRUE(report.ok()) << report.error().message;
  for (const Damage& damage : report->damaged) ADD_FAILURE() << "damage: " << damage.what;
}

}  // namespace cairn::testing
