// SPDX-License-Identifier: Apache-2.0
//
// A loop that can be killed at any time: it goes on where its last checkpoint was.
#include <cairn/store.h>

#include <cstdint>
#include <cstdio>
#include <random>
#include <sstream>

int main(int argc, char** argv) {
  auto store = cairn::Store::open(argc > 1 ? argv[1] : "store", {.mode = cairn::OpenMode::create});
  if (!store.ok()) return std::fprintf(stderr, "%s\n", store.error().message.c_str()), 1;
  std::vector<float> weights(1024, 0.5F);
  std::mt19937_64 random(1);
  std::uint64_t step = 0;
  const auto bytes = [](auto& memory) { return std::as_writable_bytes(std::span(memory)); };

  auto checkpoints = store->checkpoints("demo");
  if (const auto latest = checkpoints.latest(); latest.ok() && latest->has_value()) {
    step = (*latest)->generation;  // the last one that was committed, whole
    const auto rng = checkpoints.load(step, {"rng"});
    const cairn::LoadTarget into[] = {{.name = "weights", .into = bytes(weights)}};
    if (!rng.ok() || !checkpoints.load_into(step, into).ok()) return 1;
    std::istringstream({reinterpret_cast<const char*>(rng->front().bytes.data()), rng->front().bytes.size()}) >> random;
  }
  cairn::CheckpointSchedule schedule({.every_steps = 100}, step);
  for (std::uint64_t last = step + 1000; step < last;) {
    double loss = 0;
    for (float& weight : weights) loss += weight -= 1e-9F * static_cast<float>(random() >> 40);
    if (!schedule.should_checkpoint(++step)) continue;
    std::ostringstream rng;
    rng << random;
    std::string text = rng.str();
    const cairn::TensorLayout layout{.dtype = cairn::DType::f32, .shape = {weights.size()}};
    const cairn::Ticket ticket = checkpoints.save(
        step, {{.bytes = bytes(weights), .tensor = layout, .name = "weights"}, {.bytes = bytes(text), .name = "rng"}},
        {.metrics = {{"loss", loss}}, .retention = {.keep_last = 5, .keep_best = cairn::KeepBest{"loss"}}});
    if (step == last && !ticket.committed().wait().ok()) return 1;
  }
  std::printf("step %llu\n", static_cast<unsigned long long>(step));
  return store->close().ok() ? 0 : 1;
}
