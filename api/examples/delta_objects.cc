// SPDX-License-Identifier: Apache-2.0
//
// Stores weights after a step of training as their difference from those before it: asks which kind of difference is
// smallest, stores that one and a lossy one, and loads both.
#include <cairn/store.h>

#include <cmath>
#include <cstdint>
#include <cstring>
#include <iostream>
#include <vector>

namespace {

// Weights that look like a layer's, and a small change of each.
std::vector<float> weights(double change) {
  std::vector<float> out(512 * 1024);
  std::uint64_t state = 1;
  const auto uniform = [&state] {
    state = state * 6364136223846793005ULL + 1442695040888963407ULL;
    return static_cast<double>(state >> 11) * 0x1p-53 - 0.5;
  };
  for (float& value : out) {
    const double weight = 0.1 * uniform();
    value = static_cast<float>(weight + change * uniform());
  }
  return out;
}

int fail(const cairn::Error& error) {
  std::cerr << error.message << '\n';
  return 1;
}

}  // namespace

int main(int argc, char** argv) {
  auto store = cairn::Store::open(argc > 1 ? argv[1] : "store", {.mode = cairn::OpenMode::create});
  if (!store.ok()) return fail(store.error());
  const std::vector<float> before = weights(0), after = weights(1e-6);
  const auto tensor = [](const std::vector<float>& values) {
    return cairn::TensorBytes{.bytes = std::as_bytes(std::span(values)),
                              .layout = {.dtype = cairn::DType::f32, .shape = {512, 1024}}};
  };
  const auto base = store->put({.bytes = tensor(before).bytes, .tensor = tensor(before).layout, .name = "step 0"});
  if (!base.ok()) return fail(base.error());

  cairn::Deltas deltas = store->deltas();
  const auto advice = deltas.recommend(tensor(after), *base);
  if (!advice.ok()) return fail(advice.error());
  std::cout << advice->reason << '\n';

  for (const cairn::DeltaOptions& options :
       {cairn::DeltaOptions{.kind = advice->kind, .name = "step 1"},
        cairn::DeltaOptions{.kind = cairn::DeltaKind::int8, .max_error = 1e-8, .name = "step 1, roughly"}}) {
    const auto stored = deltas.store(tensor(after), *base, options);
    if (!stored.ok()) return fail(stored.error());
    const cairn::DeltaInfo& delta = stored->delta;
    std::cout << cairn::delta_kind_name(delta.kind) << ": " << delta.ratio() << " of the tensor's bytes, error at most "
              << delta.largest_error << '\n';
    const auto loaded = deltas.load(delta.id);
    if (!loaded.ok()) return fail(loaded.error());
    for (std::size_t i = 0; i < after.size(); ++i) {
      float value = 0;
      std::memcpy(&value, loaded->data() + 4 * i, sizeof(value));
      const double error = std::abs(static_cast<double>(value) - static_cast<double>(after[i]));
      if (error > delta.max_error) return std::cerr << "element " << i << " is wrong\n", 1;
    }
  }
  return store->close().ok() ? 0 : 1;
}
