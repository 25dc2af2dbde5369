// SPDX-License-Identifier: Apache-2.0
//
// All that the training process is at one step, in a store: weights, both moments of the
// optimizer, the random generator, and what is printed. Resuming goes on bit for bit.
#pragma once

#include <cairn/store.h>

#include <cstring>
#include <optional>
#include <sstream>
#include <utility>

#include "adam.h"
#include "random.h"
#include "tiny_transformer.h"

namespace example {

class TrainingCheckpoints {
 public:
  // Parts of a model, its optimizer and its randomness that are saved and restored in place.
  struct State {
    TinyTransformer& model;
    Adam& adam;
    Random& random;
    double& recent_loss;
  };

  static cairn::Result<TrainingCheckpoints> open(const std::string& path) {
    auto store = cairn::Store::open(path, {.mode = cairn::OpenMode::create});
    if (!store.ok()) return std::move(store).error();
    return TrainingCheckpoints(std::move(store).value());
  }

  // The step that training goes on behind; 0 when nothing was saved.
  cairn::Result<std::uint64_t> resume(const State& state) {
    auto run = store_.checkpoints("train_text");
    CAIRN_TRY(const auto latest, run.latest());
    if (!latest) return std::uint64_t{0};
    std::vector<cairn::LoadTarget> targets;
    for_each_tensor(state, [&](std::string name, float* values, const Tensor& tensor) {
      targets.push_back({.name = std::move(name),
                         .into = std::as_writable_bytes(std::span(values, tensor.count)),
                         .tensor = layout_of(tensor)});
    });
    CAIRN_CHECK(run.load_into(latest->generation, targets));
    CAIRN_TRY(const auto parts, run.load(latest->generation, {"random", "scalars"}));
    state.random.restore(std::string(reinterpret_cast<const char*>(parts[0].bytes.data()), parts[0].bytes.size()));
    Scalars scalars;
    if (parts[1].bytes.size() != sizeof(scalars)) {
      return cairn::Error{.code = cairn::ErrorCode::corruption, .message = "scalars have another size"};
    }
    std::memcpy(&scalars, parts[1].bytes.data(), sizeof(scalars));
    state.adam.steps = scalars.adam_steps;
    state.recent_loss = scalars.recent_loss;
    return latest->generation;
  }

  // Copies the state and returns. Waits for nothing but the save before this one, whose error it tells.
  cairn::Status save(std::uint64_t step, const State& state, double held_out_loss) {
    if (ticket_) CAIRN_CHECK(ticket_->committed().wait());
    const std::string random = state.random.text();
    const Scalars scalars{.adam_steps = state.adam.steps, .recent_loss = state.recent_loss};
    std::vector<cairn::Put> values{{.bytes = std::as_bytes(std::span(random)), .name = "random"},
                                   {.bytes = std::as_bytes(std::span(&scalars, 1)), .name = "scalars"}};
    for_each_tensor(state, [&](std::string name, float* memory, const Tensor& tensor) {
      values.push_back({.bytes = std::as_bytes(std::span(memory, tensor.count)),
                        .tensor = layout_of(tensor),
                        .name = std::move(name)});
    });
    ticket_ = store_.checkpoints("train_text")
                  .save(step, std::move(values),
                        {.metrics = {{"held_out_loss", held_out_loss}},
                         .retention = {.keep_last = 3, .keep_best = cairn::KeepBest{"held_out_loss"}}});
    return {};
  }

  cairn::Status close() {
    if (ticket_) CAIRN_CHECK(ticket_->committed().wait());
    return store_.close();
  }

 private:
  struct Scalars {
    std::int64_t adam_steps = 0;
    double recent_loss = 0;
  };

  explicit TrainingCheckpoints(cairn::Store store) : store_(std::move(store)) {}

  static cairn::TensorLayout layout_of(const Tensor& tensor) {
    return {.dtype = cairn::DType::f32, .shape = {tensor.shape.begin(), tensor.shape.end()}};
  }

  template <class Visit>
  static void for_each_tensor(const State& state, Visit visit) {
    for (const Tensor& tensor : state.model.tensors) {
      visit("model." + tensor.name, &state.model.values[tensor.offset], tensor);
      visit("adam.first." + tensor.name, &state.adam.first[tensor.offset], tensor);
      visit("adam.second." + tensor.name, &state.adam.second[tensor.offset], tensor);
    }
  }

  cairn::Store store_;
  std::optional<cairn::Ticket> ticket_;  // of the last save
};

}  // namespace example
