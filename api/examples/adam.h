// SPDX-License-Identifier: Apache-2.0
//
// The optimizer of the example, whose two moments are saved with the weights.
#pragma once

#include <cmath>
#include <cstddef>
#include <cstdint>
#include <vector>

#include "tiny_transformer.h"

namespace example {

// Adam (Kingma and Ba, 2015) over all parameters that are not frozen.
class Adam {
 public:
  explicit Adam(std::size_t count) : first(count), second(count) {}

  std::vector<float> first, second;
  std::int64_t steps = 0;

  void step(TinyTransformer& model, const std::vector<bool>& frozen, float rate) {
    ++steps;
    const float correct1 = 1 - static_cast<float>(std::pow(0.9, steps));
    const float correct2 = 1 - static_cast<float>(std::pow(0.99, steps));
    for (std::size_t t = 0; t < model.tensors.size(); ++t) {
      if (frozen[t]) continue;
      const Tensor& tensor = model.tensors[t];
      for (std::size_t i = tensor.offset; i < tensor.offset + tensor.count; ++i) {
        const float gradient = model.gradients[i];
        first[i] = 0.9F * first[i] + 0.1F * gradient;
        second[i] = 0.99F * second[i] + 0.01F * gradient * gradient;
        model.values[i] -= rate * (first[i] / correct1) / (std::sqrt(second[i] / correct2) + 1e-8F);
      }
    }
  }
};

}  // namespace example
