// SPDX-License-Identifier: Apache-2.0
#include "api/src/adam_choice.h"

#include <array>
#include <map>
#include <set>
#include <string_view>

namespace cairn {
namespace {

struct Words {
  std::string_view mean, variance;
};
constexpr std::array<Words, 3> kWords{{{"exp_avg", "exp_avg_sq"}, {"mu", "nu"}, {"m", "v"}}};

bool is_letter(char c) noexcept { return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_'; }

// Where a word stands in a name on its own.
std::size_t find_word(std::string_view name, std::string_view word) {
  for (std::size_t at = name.find(word); at != std::string_view::npos; at = name.find(word, at + 1)) {
    const std::size_t end = at + word.size();
    const bool begins = at == 0 || !is_letter(name[at - 1]), ends = end == name.size() || !is_letter(name[end]);
    if (begins && ends) return at;
  }
  return std::string_view::npos;
}

// Without the word, and one of the separators beside it.
std::string without(std::string_view name, std::size_t at, std::size_t length) {
  const std::size_t end = at + length;
  const std::size_t from = at == 0 ? at : at - 1, to = at == 0 && end != name.size() ? end + 1 : end;
  return std::string(name.substr(0, from)) + std::string(name.substr(to));
}

struct Parameter {
  const VersionTensor* weight = nullptr;
  const VersionTensor* mean = nullptr;
  const VersionTensor* variance = nullptr;
};

using Shape = std::vector<std::uint64_t>;
using Parameters = std::map<std::string, Parameter>;  // by the name of the variance

Parameters parameters_of(const std::vector<VersionTensor>& tensors) {
  std::map<std::string_view, const VersionTensor*> by_name;
  for (const VersionTensor& tensor : tensors) {
    if (tensor.dtype == DType::f32) by_name.emplace(tensor.name, &tensor);
  }
  const auto named = [&](const std::string& name, const Shape& shape) -> const VersionTensor* {
    const auto found = by_name.find(name);
    return found != by_name.end() && found->second->shape == shape ? found->second : nullptr;
  };

  Parameters parameters;
  std::map<Shape, std::vector<Parameter*>> by_shape;  // in their order
  std::set<const VersionTensor*> moments;
  for (const VersionTensor& tensor : tensors) {
    if (tensor.dtype != DType::f32 || moments.contains(&tensor)) continue;
    for (const Words& words : kWords) {
      const std::size_t at = find_word(tensor.name, words.variance);
      if (at == std::string::npos) continue;
      const VersionTensor* const mean =
          named(std::string(tensor.name).replace(at, words.variance.size(), words.mean), tensor.shape);
      if (mean == nullptr) continue;
      const VersionTensor* const weight = named(without(tensor.name, at, words.variance.size()), tensor.shape);
      const auto [parameter, fresh] = parameters.try_emplace(tensor.name, Parameter{weight, mean, &tensor});
      if (!fresh) continue;
      by_shape[tensor.shape].push_back(&parameter->second);
      moments.insert({mean, &tensor});
      break;
    }
  }
  std::map<Shape, std::vector<const VersionTensor*>> others;
  for (const VersionTensor& tensor : tensors) {
    if (tensor.dtype == DType::f32 && !moments.contains(&tensor)) others[tensor.shape].push_back(&tensor);
  }
  for (auto& [shape, list] : by_shape) {
    const auto& weights = others[shape];
    for (std::size_t i = 0; i < list.size() && i < weights.size(); ++i) {
      if (list[i]->weight == nullptr) list[i]->weight = weights[i];
    }
  }
  return parameters;
}

}  // namespace

void add_adam_bases(const std::vector<VersionTensor>& older, const std::vector<VersionTensor>& newer,
                    PredictingBases& bases) {
  const Parameters now = parameters_of(newer);
  const auto add = [&](const Digest& block, PredictedFrom from) {
    if (block != from.bases.front()) bases.insert_or_assign(block, std::move(from));
  };
  for (const auto& [name, before] : parameters_of(older)) {
    const auto found = now.find(name);
    if (found == now.end() || found->second.variance->shape != before.variance->shape) continue;
    const Parameter& after = found->second;
    const std::size_t count = before.variance->blocks.size();
    const auto has_all = [&](const VersionTensor* tensor) {
      return tensor != nullptr && tensor->blocks.size() == count;
    };
    if (!has_all(before.mean) || !has_all(after.mean) || !has_all(after.variance)) continue;
    for (std::size_t i = 0; i < count; ++i) {
      add(before.variance->blocks[i], {{after.variance->blocks[i], before.mean->blocks[i], after.mean->blocks[i]}, 1});
    }
    if (!has_all(before.weight) || !has_all(after.weight)) continue;
    for (std::size_t i = 0; i < count; ++i) {
      add(before.weight->blocks[i], {{after.weight->blocks[i], after.mean->blocks[i], after.variance->blocks[i]}});
    }
  }
}

}  // namespace cairn
