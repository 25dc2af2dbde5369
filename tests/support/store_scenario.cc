// SPDX-License-Identifier: Apache-2.0
#include "tests/support/store_scenario.h"

#include <cstdlib>

namespace cairn::testing {

std::size_t scaled(std::size_t quick, std::size_t longer) {
  const char* scale = std::getenv("CAIRN_TEST_SCALE");
  return scale != nullptr && std::string_view(scale) == "long" ? longer : quick;
}

std::uint64_t test_seed(std::uint64_t fixed) {
  const char* seed = std::getenv("CAIRN_TEST_SEED");
  return seed != nullptr ? std::strtoull(seed, nullptr, 10) : fixed;
}

StoreScenario::StoreScenario() {
  const std::string shared = bf16_weights(90'000, 31);
  const std::string first = safetensors_of({{"a", bf16_weights(150'000, 32)}, {"shared", shared}});
  const std::string second = safetensors_of({{"b", bf16_weights(200'000, 33)}, {"shared", shared}, {"tiny", "abcd"}});
  const std::string opaque = random_bytes(700'000, 34);
  const auto add = [&](const std::string& name, std::map<std::string, std::string> files) {
    Step step{.name = name, .paths = {}, .files = std::move(files)};
    for (const auto& [file, content] : step.files) {
      const std::string path = inputs_ / (name + std::to_string(steps_.size()) + "/" + file);
      write_file(path, content);
      step.paths.push_back(path);
    }
    steps_.push_back(std::move(step));
  };
  add("model", {{"m.safetensors", first}});
  add("data", {{"opaque", opaque}, {"empty", ""}});
  add("model", {{"m.safetensors", second}});
  add("model", {{"m.safetensors", first}, {"note", "back to the first"}});
}

Status StoreScenario::run(FileSystem& fs, const std::string& path) {
  if (Status created = StoreImpl::create(fs, path, kSmallStore);
      !created.ok() && created.error().code != ErrorCode::already_exists) {
    return created;
  }
  CAIRN_TRY(auto impl, StoreImpl::open(fs, path, {.threads = 2}, {}));
  Store store = StoreImpl::handle(std::move(impl));
  CAIRN_TRY(const auto refs, store.archive().list());
  for (std::size_t i = refs.size(); i < steps_.size(); ++i) {
    const auto added = store.archive().add(steps_[i].paths, {.name = steps_[i].name, .force = true});
    if (!added.ok()) return added.error();
    acknowledged_ = i + 1;
  }
  return store.close();
}

std::string StoreScenario::what_is_wrong(FileSystem& fs, const std::string& path) {
  auto impl = StoreImpl::open(fs, path, {.threads = 1}, {});
  if (!impl.ok()) {
    const bool created = acknowledged_ > 0;
    if (!created && impl.error().code == ErrorCode::no_store) return {};
    return "open: " + impl.error().message;
  }
  for (const std::string& place : (*impl)->info().recovery.damage) return "recovery found damage: " + place;
  Store store = StoreImpl::handle(std::move(impl).value());
  const auto check = store.check({.read_data = true});
  if (!check.ok()) return "check: " + check.error().message;
  for (const Damage& damage : check->damaged) return "check found: " + damage.what;
  const auto refs = store.archive().list();
  if (!refs.ok()) return "list: " + refs.error().message;
  if (refs->size() < acknowledged_) {
    return std::to_string(refs->size()) + " versions, though " + std::to_string(acknowledged_) + " were acknowledged";
  }
  std::map<std::string, std::uint64_t> version;
  for (std::size_t i = 0; i < refs->size(); ++i) {
    const Step& step = steps_[i];
    const std::string ref = step.name + "@" + std::to_string(++version[step.name]);
    const auto files = read_version(store, ref);
    if (!files.ok()) return ref + ": " + files.error().message;
    if (*files != step.files) return ref + ": other content than was added";
  }
  const Status closed = store.close();
  return closed.ok() ? std::string() : "close: " + closed.error().message;
}

}  // namespace cairn::testing
