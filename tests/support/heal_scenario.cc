// SPDX-License-Identifier: Apache-2.0
#include "tests/support/heal_scenario.h"

#include <algorithm>

#include "engine/log/segment_files.h"
#include "engine/reclaim/segment_records.h"

namespace cairn::testing {

HealScenario::HealScenario(std::size_t values) {
  const std::string shared = bf16_weights(100'000, 71);
  for (unsigned i = 0; i < 3; ++i) {
    const std::string name = "data" + std::to_string(i);
    auto& files = inputs_of_[name];
    files[name + "/m.safetensors"] = safetensors_of({{"own", bf16_weights(150'000, 80 + i)}, {"shared", shared}});
    files[name + "/opaque"] = random_bytes(400'000 + 1'000 * i, 90 + i);
    files[name + "/small"] = random_bytes(500, 95 + i);
    files[name + "/empty"] = "";
    for (const auto& [path, content] : files) write_file(inputs_ / path, content);
  }
  for (std::size_t i = 0; i < values; ++i) {
    const std::size_t bytes = i % 5 == 0 ? 300 + i : 20'000 + 9'000 * (i % 40);
    values_.push_back({random_bytes(bytes, 1'000 + i), "value " + std::to_string(i), i % 3 == 1});
  }
  for (std::uint64_t generation = 1; generation <= 3; ++generation) {
    checkpoints_[generation] = {{random_bytes(200'000, 500 + generation), "weights", true},
                                {random_bytes(90'000, 600 + generation), "optimizer", false},
                                {shared, "frozen", false}};
  }
}

Put HealScenario::put_of(const Value& value) const {
  Put put{.bytes = std::as_bytes(std::span(value.content)), .name = value.name};
  if (value.tensor) put.tensor = TensorLayout{.dtype = DType::u8, .shape = {value.content.size()}};
  return put;
}

Status HealScenario::put_in(Store& store) {
  std::size_t next = 0;
  const auto some_values = [&](std::size_t count) -> Status {
    for (const std::size_t end = std::min(values_.size(), next + count); next < end; ++next) {
      CAIRN_TRY(const std::string id, store.put(put_of(values_[next])));
      ids_[id] = values_[next].content;
    }
    return {};
  };
  const std::size_t part = values_.size() / 6 + 1;
  for (const auto& [name, files] : inputs_of_) {
    CAIRN_CHECK(some_values(part));
    CAIRN_TRY(const AddReport added, store.archive().add({inputs_ / name}, {.name = name, .force = true}));
    versions_[name + "@" + std::to_string(added.version)] = files;
  }
  for (const auto& [generation, state] : checkpoints_) {
    CAIRN_CHECK(some_values(part));
    std::vector<Put> puts;
    for (const Value& value : state) puts.push_back(put_of(value));
    CAIRN_CHECK(store.checkpoints("run").save(generation, std::move(puts)).committed().wait());
  }
  return some_values(values_.size());
}

void HealScenario::prepare(FileSystem& fs, const std::string& path) {
  ASSERT_TRUE(StoreImpl::create(fs, path, kSmallStore).ok());
  Store store = open_store(fs, path);
  const Status put = put_in(store);
  ASSERT_TRUE(put.ok()) << put.error().message;
  ASSERT_TRUE(unreadable(store).empty());
  ASSERT_TRUE(store.close().ok());
}

std::vector<PlacedRecord> HealScenario::records(FileSystem& fs, const std::string& path) {
  const auto impl = StoreImpl::open(fs, path, {.access = Access::read_only, .threads = 1}, {}).value();
  std::vector<PlacedRecord> records;
  const std::vector<std::uint32_t> segments = list_segments(fs, StoreLayout(path).log()).value();
  for (const std::uint32_t number : segments) {
    const OpenSegment segment = open_segment(fs, StoreLayout(path).log(), number, impl->store_tag()).value();
    const SegmentRecords found = records_of(segment, impl->index()).value();
    for (const RecordDescriptor& record : found.records) {
      if (!is_statement(record.kind)) {
        const auto at = record.kind == RecordKind::block ? impl->index().find_block(record.key).value()
                                                         : impl->index().find_object(record.kind, record.key).value();
        if (!at || at->segment != number || at->offset != record.payload_offset) continue;
      }
      records.push_back({number, record});
    }
  }
  return records;
}

void HealScenario::damage(SimFileSystem& fs, const std::string& path, const std::vector<PlacedRecord>& records) {
  for (const PlacedRecord& at : records) {
    const std::string file = segment_path(StoreLayout(path).log(), at.segment);
    if (at.record.stored_bytes == 0) continue;
    ASSERT_TRUE(fs.flip_bit(file, at.record.payload_offset + at.record.stored_bytes / 2, 3).ok());
  }
}

std::set<std::string> HealScenario::unreadable(Store& store) const {
  std::set<std::string> out;
  for (const auto& [id, content] : ids_) {
    const auto read = store.get(id);
    if (!read.ok()) {
      out.insert(id);
    } else {
      EXPECT_TRUE(std::ranges::equal(*read, std::as_bytes(std::span(content)))) << id;
    }
  }
  for (const auto& [ref, files] : versions_) {
    for (const auto& [path, content] : files) {
      std::string found;
      const auto sink = [&](std::span<const std::byte> bytes) -> Status {
        found.append(reinterpret_cast<const char*>(bytes.data()), bytes.size());
        return {};
      };
      if (!store.archive().read_file(ref, path, sink).ok()) {
        out.insert(ref + ":" + path);
      } else {
        EXPECT_EQ(found, content) << ref << ":" << path;
      }
    }
  }
  for (const auto& [generation, state] : checkpoints_) {
    const auto loaded = store.checkpoints("run").load(generation);
    if (!loaded.ok()) {
      out.insert("checkpoints/run@" + std::to_string(generation));
      continue;
    }
    EXPECT_EQ(loaded->size(), state.size());
    for (const LoadedValue& value : *loaded) {
      const auto expected = std::ranges::find(state, value.info.name, &Value::name);
      EXPECT_TRUE(expected != state.end() &&
                  std::ranges::equal(value.bytes, std::as_bytes(std::span(expected->content))));
    }
  }
  return out;
}

std::set<std::string> HealScenario::affected(const std::vector<Damage>& damaged) const {
  std::set<std::string> out;
  const std::set<std::string> lost = lost_versions(damaged);
  for (const Damage& damage : damaged) {
    for (const std::string& name : damage.affected) {
      if (lost.contains(name)) continue;
      if (name.starts_with("checkpoints/")) {
        out.insert(name.substr(0, name.find(':')));
      } else {
        out.insert(name.substr(0, name.find(" (")));
      }
    }
  }
  for (const std::string& ref : lost) {
    for (const auto& [path, content] : versions_.at(ref)) out.insert(ref + ":" + path);
  }
  return out;
}

std::set<std::string> HealScenario::lost_versions(const std::vector<Damage>& damaged) const {
  std::set<std::string> lost;
  for (const Damage& damage : damaged) {
    for (const std::string& name : damage.affected) {
      if (versions_.contains(name)) lost.insert(name);
    }
  }
  return lost;
}

std::size_t HealScenario::things() const {
  std::size_t files = 0;
  for (const auto& [ref, of] : versions_) files += of.size();
  return ids_.size() + checkpoints_.size() + files;
}

}  // namespace cairn::testing
