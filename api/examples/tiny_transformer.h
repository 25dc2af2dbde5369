// SPDX-License-Identifier: Apache-2.0
//
// A causal transformer over bytes, small enough to train in the time of a demonstration and
// real in every part: embeddings, two blocks of attention and feed-forward layers with
// RMS norms and residual sums, a cross-entropy loss, and the gradients worked out by hand.
#pragma once

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <string>
#include <vector>

#include "matrix.h"
#include "random.h"

namespace example {

// A named part of the parameters. All tensors lie behind each other in one vector, and so
// do their gradients and the optimizer's moments, at the same offsets.
struct Tensor {
  std::string name;
  std::vector<std::size_t> shape;
  std::size_t offset = 0;
  std::size_t count = 0;
};

class TinyTransformer {
 public:
  static constexpr std::size_t kBytes = 256;   // the vocabulary
  static constexpr std::size_t kContext = 64;  // bytes that a prediction can look back on
  static constexpr std::size_t kWidth = 256;
  static constexpr std::size_t kHeads = 4;
  static constexpr std::size_t kHeadWidth = kWidth / kHeads;
  static constexpr std::size_t kHidden = 4 * kWidth;
  static constexpr std::size_t kBlocks = 2;

  TinyTransformer(std::size_t batch_max, Random& random) : batch_max_(batch_max) {
    // Weights start with a spread that keeps the size of a sum of `inputs` terms.
    const auto spread = [](std::size_t inputs) { return 1.0F / std::sqrt(static_cast<float>(inputs)); };
    embedding_ = add("embedding.weight", {kBytes, kWidth}, 0.5F, random);
    position_ = add("position.weight", {kContext, kWidth}, 0.5F, random);
    for (std::size_t i = 0; i < kBlocks; ++i) {
      const std::string name = "blocks." + std::to_string(i) + ".";
      Block& block = blocks_[i];
      block.norm1 = add(name + "attention.norm.weight", {kWidth}, 0, random);
      block.qkv = add(name + "attention.qkv.weight", {kWidth, 3 * kWidth}, spread(kWidth) / 2, random);
      block.out = add(name + "attention.out.weight", {kWidth, kWidth}, spread(kWidth) / 2, random);
      block.norm2 = add(name + "feed_forward.norm.weight", {kWidth}, 0, random);
      block.up = add(name + "feed_forward.up.weight", {kWidth, kHidden}, spread(kWidth), random);
      block.down = add(name + "feed_forward.down.weight", {kHidden, kWidth}, spread(kHidden) / 2, random);
      allocate(block);
    }
    norm_ = add("norm.weight", {kWidth}, 0, random);
    head_ = add("head.weight", {kWidth, kBytes}, spread(kWidth) / 4, random);
    gradients.assign(values.size(), 0);
    const std::size_t tokens = batch_max_ * kContext;
    for (auto* buffer : {&stream_, &normed_, &d_stream_, &d_normed_, &d_residual_}) buffer->resize(tokens * kWidth);
    logits_.resize(tokens * kBytes);
    final_scale_.resize(tokens);
    d_hidden_.resize(tokens * kHidden);
    d_qkv_.resize(tokens * 3 * kWidth);
    d_scores_.resize(kContext * kContext);
  }

  std::vector<Tensor> tensors;
  std::vector<float> values;
  std::vector<float> gradients;

  // Runs `batch` rows of kContext bytes; the logits of (row, place) follow each other.
  const std::vector<float>& forward(const std::uint8_t* input, std::size_t batch) {
    const std::size_t tokens = batch * kContext;
    for (std::size_t t = 0; t < tokens; ++t) {
      const float* byte = &values[embedding_ + input[t] * kWidth];
      const float* place = &values[position_ + t % kContext * kWidth];
      for (std::size_t i = 0; i < kWidth; ++i) stream_[t * kWidth + i] = byte[i] + place[i];
    }
    for (Block& block : blocks_) {
      std::copy_n(stream_.begin(), tokens * kWidth, block.input1.begin());
      normalise(block.input1, block.norm1, tokens, block.normed1, block.scale1);
      linear(block.normed1, block.qkv, tokens, kWidth, 3 * kWidth, block.qkv_out, Into::overwrite);
      for (std::size_t row = 0; row < batch; ++row) {
        for (std::size_t head = 0; head < kHeads; ++head) attend(block, row, head);
      }
      linear(block.attended, block.out, tokens, kWidth, kWidth, stream_, Into::add);
      std::copy_n(stream_.begin(), tokens * kWidth, block.input2.begin());
      normalise(block.input2, block.norm2, tokens, block.normed2, block.scale2);
      linear(block.normed2, block.up, tokens, kWidth, kHidden, block.raised, Into::overwrite);
      // The squared rectifier is the non-linearity: smooth where it matters, cheap to compute.
      for (std::size_t i = 0; i < tokens * kHidden; ++i) {
        const float x = std::max(block.raised[i], 0.0F);
        block.active[i] = x * x;
      }
      linear(block.active, block.down, tokens, kHidden, kWidth, stream_, Into::add);
    }
    normalise(stream_, norm_, tokens, normed_, final_scale_);
    linear(normed_, head_, tokens, kWidth, kBytes, logits_, Into::overwrite);
    return logits_;
  }

  // The mean cross-entropy, in nats per byte, of predicting target[t] from input[..t]. The
  // logits become the loss's gradient by them.
  double loss(const std::uint8_t* input, const std::uint8_t* target, std::size_t batch) {
    forward(input, batch);
    const std::size_t tokens = batch * kContext;
    double sum = 0;
    for (std::size_t t = 0; t < tokens; ++t) {
      float* row = &logits_[t * kBytes];
      const float top = *std::max_element(row, row + kBytes);
      float total = 0;
      for (std::size_t i = 0; i < kBytes; ++i) total += row[i] = std::exp(row[i] - top);
      sum -= std::log(static_cast<double>(row[target[t]]) / static_cast<double>(total) + 1e-30);
      for (std::size_t i = 0; i < kBytes; ++i) row[i] /= total * static_cast<float>(tokens);
      row[target[t]] -= 1.0F / static_cast<float>(tokens);
    }
    return sum / static_cast<double>(tokens);
  }

  // After loss() of the same input: adds every parameter's gradient to `gradients`.
  void backward(const std::uint8_t* input, std::size_t batch) {
    const std::size_t tokens = batch * kContext;
    linear_backward(normed_, head_, tokens, kWidth, kBytes, logits_, d_normed_);
    std::fill(d_stream_.begin(), d_stream_.end(), 0.0F);
    normalise_backward(stream_, norm_, tokens, final_scale_, d_normed_, d_stream_);
    for (std::size_t i = kBlocks; i-- > 0;) {
      Block& block = blocks_[i];
      linear_backward(block.active, block.down, tokens, kHidden, kWidth, d_stream_, d_hidden_);
      for (std::size_t j = 0; j < tokens * kHidden; ++j) d_hidden_[j] *= 2 * std::max(block.raised[j], 0.0F);
      linear_backward(block.normed2, block.up, tokens, kWidth, kHidden, d_hidden_, d_normed_);
      normalise_backward(block.input2, block.norm2, tokens, block.scale2, d_normed_, d_stream_);

      linear_backward(block.attended, block.out, tokens, kWidth, kWidth, d_stream_, d_residual_);
      for (std::size_t row = 0; row < batch; ++row) {
        for (std::size_t head = 0; head < kHeads; ++head) attend_backward(block, row, head);
      }
      linear_backward(block.normed1, block.qkv, tokens, kWidth, 3 * kWidth, d_qkv_, d_normed_);
      normalise_backward(block.input1, block.norm1, tokens, block.scale1, d_normed_, d_stream_);
    }
    for (std::size_t t = 0; t < tokens; ++t) {
      float* byte = &gradients[embedding_ + input[t] * kWidth];
      float* place = &gradients[position_ + t % kContext * kWidth];
      for (std::size_t i = 0; i < kWidth; ++i) {
        byte[i] += d_stream_[t * kWidth + i];
        place[i] += d_stream_[t * kWidth + i];
      }
    }
  }

 private:
  using Buffer = std::vector<float>;

  struct Block {
    std::size_t norm1, qkv, out, norm2, up, down;  // where the parameters start
    Buffer input1, normed1, scale1, qkv_out, weights, attended, input2, normed2, scale2, raised, active;
  };

  // A spread of zero makes a gain, which starts at one.
  std::size_t add(std::string name, std::vector<std::size_t> shape, float spread, Random& random) {
    Tensor tensor{std::move(name), std::move(shape), values.size(), 1};
    for (const std::size_t side : tensor.shape) tensor.count *= side;
    for (std::size_t i = 0; i < tensor.count; ++i) values.push_back(spread == 0 ? 1.0F : spread * random.normal());
    tensors.push_back(tensor);
    return tensor.offset;
  }

  void allocate(Block& block) {
    const std::size_t tokens = batch_max_ * kContext;
    for (auto* buffer : {&block.input1, &block.normed1, &block.attended, &block.input2, &block.normed2}) {
      buffer->resize(tokens * kWidth);
    }
    block.scale1.resize(tokens);
    block.scale2.resize(tokens);
    block.qkv_out.resize(tokens * 3 * kWidth);
    block.weights.resize(batch_max_ * kHeads * kContext * kContext);
    block.raised.resize(tokens * kHidden);
    block.active.resize(tokens * kHidden);
  }

  void linear(const Buffer& in, std::size_t weight, std::size_t tokens, std::size_t inputs, std::size_t outputs,
              Buffer& out, Into into) {
    multiply(tokens, outputs, inputs, rows(in.data(), inputs), rows(&values[weight], outputs), out.data(), outputs,
             into);
  }

  void linear_backward(const Buffer& in, std::size_t weight, std::size_t tokens, std::size_t inputs,
                       std::size_t outputs, const Buffer& d_out, Buffer& d_in) {
    multiply(inputs, outputs, tokens, transposed(in.data(), inputs), rows(d_out.data(), outputs), &gradients[weight],
             outputs, Into::add);
    multiply(tokens, inputs, outputs, rows(d_out.data(), outputs), transposed(&values[weight], outputs), d_in.data(),
             inputs, Into::overwrite);
  }

  void normalise(const Buffer& in, std::size_t gain, std::size_t tokens, Buffer& out, Buffer& scale) {
    for (std::size_t t = 0; t < tokens; ++t) {
      const float* x = &in[t * kWidth];
      float squares = 0;
      for (std::size_t i = 0; i < kWidth; ++i) squares += x[i] * x[i];
      scale[t] = 1.0F / std::sqrt(squares / static_cast<float>(kWidth) + 1e-5F);
      for (std::size_t i = 0; i < kWidth; ++i) out[t * kWidth + i] = x[i] * scale[t] * values[gain + i];
    }
  }

  // Adds to d_in, because every norm's input is also carried past it by a residual sum.
  void normalise_backward(const Buffer& in, std::size_t gain, std::size_t tokens, const Buffer& scale,
                          const Buffer& d_out, Buffer& d_in) {
    for (std::size_t t = 0; t < tokens; ++t) {
      const float* x = &in[t * kWidth];
      const float* dy = &d_out[t * kWidth];
      const float s = scale[t];
      float dot = 0;
      for (std::size_t i = 0; i < kWidth; ++i) {
        dot += dy[i] * values[gain + i] * x[i];
        gradients[gain + i] += dy[i] * x[i] * s;
      }
      const float shrink = dot * s * s * s / static_cast<float>(kWidth);
      for (std::size_t i = 0; i < kWidth; ++i) d_in[t * kWidth + i] += dy[i] * values[gain + i] * s - x[i] * shrink;
    }
  }

  static constexpr std::size_t kQkv = 3 * kWidth;  // from one place to the next in qkv_out
  static float query_scale() { return 1.0F / std::sqrt(static_cast<float>(kHeadWidth)); }

  void attend(Block& block, std::size_t row, std::size_t head) {
    const float* query = &block.qkv_out[row * kContext * kQkv + head * kHeadWidth];
    float* weights = &block.weights[(row * kHeads + head) * kContext * kContext];
    multiply(kContext, kContext, kHeadWidth, rows(query, kQkv), transposed(query + kWidth, kQkv), weights, kContext,
             Into::overwrite);
    for (std::size_t t = 0; t < kContext; ++t) {
      float* w = weights + t * kContext;
      float total = 0;
      const float top = *std::max_element(w, w + t + 1);
      for (std::size_t u = 0; u <= t; ++u) total += w[u] = std::exp((w[u] - top) * query_scale());
      for (std::size_t u = 0; u <= t; ++u) w[u] /= total;
      std::fill(w + t + 1, w + kContext, 0.0F);  // no place sees what comes after it
    }
    multiply(kContext, kHeadWidth, kContext, rows(weights, kContext), rows(query + 2 * kWidth, kQkv),
             &block.attended[row * kContext * kWidth + head * kHeadWidth], kWidth, Into::overwrite);
  }

  // d_residual_ holds the gradient by `attended`; leaves the one by qkv_out in d_qkv_.
  void attend_backward(Block& block, std::size_t row, std::size_t head) {
    const float* query = &block.qkv_out[row * kContext * kQkv + head * kHeadWidth];
    float* d_query = &d_qkv_[row * kContext * kQkv + head * kHeadWidth];
    const float* weights = &block.weights[(row * kHeads + head) * kContext * kContext];
    const float* d_attended = &d_residual_[row * kContext * kWidth + head * kHeadWidth];
    float* d_scores = d_scores_.data();
    multiply(kContext, kHeadWidth, kContext, transposed(weights, kContext), rows(d_attended, kWidth),
             d_query + 2 * kWidth, kQkv, Into::overwrite);
    multiply(kContext, kContext, kHeadWidth, rows(d_attended, kWidth), transposed(query + 2 * kWidth, kQkv), d_scores,
             kContext, Into::overwrite);
    for (std::size_t t = 0; t < kContext; ++t) {
      const float* w = weights + t * kContext;
      float* d = d_scores + t * kContext;
      float dot = 0;
      for (std::size_t u = 0; u < kContext; ++u) dot += w[u] * d[u];
      for (std::size_t u = 0; u < kContext; ++u) d[u] = w[u] * (d[u] - dot) * query_scale();
    }
    multiply(kContext, kHeadWidth, kContext, rows(d_scores, kContext), rows(query + kWidth, kQkv), d_query, kQkv,
             Into::overwrite);
    multiply(kContext, kHeadWidth, kContext, transposed(d_scores, kContext), rows(query, kQkv), d_query + kWidth, kQkv,
             Into::overwrite);
  }

  std::size_t batch_max_;
  std::size_t embedding_ = 0, position_ = 0, norm_ = 0, head_ = 0;
  Block blocks_[kBlocks];
  Buffer stream_, normed_, final_scale_, logits_;
  Buffer d_stream_, d_normed_, d_residual_, d_hidden_, d_qkv_, d_scores_;
};

}  // namespace example
