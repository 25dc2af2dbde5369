// SPDX-License-Identifier: Apache-2.0
//
// Stores and a mirror of them.
#pragma once

#include <gtest/gtest.h>

#include <map>
#include <memory>
#include <string>
#include <vector>

#include "api/src/mirror_formats.h"
#include "api/src/mirror_source.h"
#include "api/src/mirroring.h"
#include "api/src/ref_name.h"
#include "cairn/archive.h"
#include "cairn/checkpoints.h"
#include "cairn/objects.h"
#include "cairn/results.h"
#include "tests/support/archive_fixture.h"
#include "tests/support/gc_scenario.h"
#include "tests/support/memory_storage.h"
#include "tests/support/sim_file_system.h"
#include "tests/support/store_scenario.h"

namespace cairn::testing {

// A store and the parts of it that a mirror works on.
struct OpenedStore {
  StoreImpl* impl = nullptr;
  Store store;
};

class MirrorTest : public ::testing::Test {
 protected:
  OpenedStore open(const std::string& path, Access access = Access::read_write) {
    if (access == Access::read_write) static_cast<void>(StoreImpl::create(fs_, path, kSmallStore).ok());
    auto impl = StoreImpl::open(fs_, path, {.access = access, .threads = 1}, {});
    EXPECT_TRUE(impl.ok()) << impl.error().message;
    StoreImpl* parts = impl->get();
    return {.impl = parts, .store = StoreImpl::handle(std::move(impl).value())};
  }

  // A version of `name`: one tensor of its own, and one that all of them share.
  void add(Store& store, const std::string& name, std::uint64_t seed, std::size_t weights = 100'000) {
    const std::string model =
        safetensors_of({{"shared", bf16_weights(120'000, 1)}, {"own", bf16_weights(weights, seed)}});
    write_file(inputs_ / (name + ".safetensors"), model);
    const auto added =
        store.archive().add({inputs_ / (name + ".safetensors")}, {.name = name, .base = base_, .force = true});
    ASSERT_TRUE(added.ok()) << added.error().message;
  }
  static void put_result(Store& store, const std::string& key, const std::string& value) {
    const auto put = store.results("eval").put(key, ResultValue::json(value), {.ttl = std::chrono::hours(1)});
    ASSERT_TRUE(put.ok()) << put.error().message;
  }
  static void put_object(Store& store, const std::string& name, const std::string& content) {
    const auto put = store.put({.bytes = std::as_bytes(std::span(content)), .name = name});
    ASSERT_TRUE(put.ok()) << put.error().message;
  }
  // Everything that a store says, with the content, in words.
  static std::map<std::string, std::string> contents(Store& store) {
    std::map<std::string, std::string> all;
    const auto refs = store.archive().list();
    EXPECT_TRUE(refs.ok());
    for (const RefInfo& ref : *refs) {
      const std::string name = ref.name + "@" + std::to_string(ref.version);
      const auto files = read_version(store, name);
      EXPECT_TRUE(files.ok()) << name << ": " << files.error().message;
      if (!files.ok()) continue;
      for (const auto& [path, content] : *files) all[name + ":" + path] = content;
    }
    const auto objects = store.list();
    EXPECT_TRUE(objects.ok());
    for (const auto& object : objects->objects) {
      const auto bytes = store.get(object.id);
      EXPECT_TRUE(bytes.ok()) << object.id;
      if (!bytes.ok()) continue;
      for (const ObjectName& name : object.names) {
        all["object " + object.id + " " + name.name] =
            std::string(reinterpret_cast<const char*>(bytes->data()), bytes->size());
      }
    }
    const auto results = store.results("eval").list();
    EXPECT_TRUE(results.ok()) << results.error().message;
    for (const auto& result : results->results) {
      all["result " + result.key] = std::string(store.results("eval").get(result.key)->value().text());
    }
    return all;
  }

  // What the mirror says of its only store.
  mirror::Fold mirrored() {
    const MirrorFormats formats(DigestKind::blake3);
    const auto stores = mirror::list_stores(bucket_);
    return mirror::read_store(bucket_, formats, stores->at(0), 2)->fold;
  }
  // Where a block lies that only this version has.
  static RecordLocation block_of(StoreImpl& store, const std::string& ref) {
    const auto shown =
        StoreImpl::open(store.fs(), store.layout().folder, {.access = Access::read_only, .threads = 1}, {});
    const RefRecord record = resolve_ref(**shown, ref).value();
    const TreeManifest tree = load_ref_tree(**shown, record).value();
    const ModelManifest model = load_model((*shown)->blocks(), tree.entries.at(0).blob).value();
    for (const ModelTensor& tensor : model.tensors) {
      if (tensor.name != "own") continue;
      const TensorManifest manifest = load_tensor((*shown)->blocks(), tensor.tensor).value();
      const BlobManifest blob = load_blob((*shown)->blocks(), manifest.blob).value();
      return (*shown)->index().find_block(blob.blocks.at(0).digest)->value();
    }
    ADD_FAILURE() << ref << " has no tensor of its own";
    return {};
  }

  Result<mirror::PushReport> push(StoreImpl& store, mirror::PushOptions options = {}) {
    MirrorSource source(store);
    const MirrorFormats formats(store.header().digest);
    return mirror::Pusher(source, bucket_, formats, std::move(options)).push();
  }
  mirror::PushReport push_well(StoreImpl& store, mirror::PushOptions options = {}) {
    const auto report = push(store, std::move(options));
    EXPECT_TRUE(report.ok()) << report.error().message;
    if (!report.ok()) return {};
    EXPECT_TRUE(report->left_out.empty()) << report->left_out.front();
    return *report;
  }
  Result<mirror::PullReport> restore(const std::string& path) { return restore_store(fs_, path, bucket_, {}); }

  SimFileSystem fs_;
  MemoryStorage bucket_;
  ScratchFolder inputs_;
  std::string base_ = "none";
};

}  // namespace cairn::testing
