// SPDX-License-Identifier: Apache-2.0
//
// A search over small models whose parts are kept in one store: each architecture is trained once, however often it
// is proposed, its training is logged, and the best is asked for. Run it again: nothing is computed twice.
//
//   search [STORE]
#include <cairn/store.h>

#include <cmath>
#include <iostream>

namespace {

// Stands for a training that takes hours: returns what it reached.
double train(cairn::MetricRun& run, int width) {
  double loss = 2;
  for (int step = 0; step < 200; ++step) {
    loss = 2.0 / (1 + 0.01 * step * std::sqrt(width)) + 0.0005 * width;
    if (!run.log(step, {{"loss", loss}, {"width", width}}).ok()) break;
  }
  return -loss;
}

int fail(const cairn::Error& error) {
  std::cerr << error.message << '\n';
  return 1;
}

}  // namespace

int main(int argc, char** argv) {
  auto store = cairn::Store::open(argc > 1 ? argv[1] : "store", {.mode = cairn::OpenMode::create});
  if (!store.ok()) return fail(store.error());
  auto metrics = store->metrics();
  if (!metrics.ok()) return fail(metrics.error());
  cairn::Experiments experiments = store->experiments();
  if (const auto created = experiments.create({.name = "widths"}); !created.ok()) return fail(created.error());

  for (const int width : {8, 64, 16, 64, 256, 1024, 8}) {
    const std::string architecture = "{\"width\": " + std::to_string(width) + "}";
    const auto fitness =
        store->operations().get_or_compute("train/" + architecture, [&]() -> cairn::Result<cairn::OperationValue> {
          std::cout << "training " << architecture << '\n';
          auto run = metrics->run("width-" + std::to_string(width));
          if (!run.ok()) return run.error();
          return cairn::OperationValue{.bytes = std::to_string(train(*run, width)), .serializer = "json"};
        });
    if (!fitness.ok()) return fail(fitness.error());
    const auto recorded =
        experiments.record("widths", {.architecture = architecture, .fitness = std::stod(fitness->bytes)});
    if (!recorded.ok()) return fail(recorded.error());
  }
  const auto best = experiments.evaluations("widths", {.limit = 1});
  if (!best.ok()) return fail(best.error());
  for (const cairn::Evaluation& one : best->evaluations) {
    std::cout << "best: " << one.architecture << " with " << one.fitness << '\n';
  }
  const auto kept = store->results().put("best", cairn::ResultValue::json(best->evaluations.front().architecture));
  if (!kept.ok()) return fail(kept.error());
  if (const cairn::Status closed = store->close(); !closed.ok()) return fail(closed.error());
  return 0;
}
