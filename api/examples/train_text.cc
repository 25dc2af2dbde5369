// SPDX-License-Identifier: Apache-2.0
//
// Trains a byte-level language model on the text of this machine's licences, on one core,
// and saves a checkpoint every few steps, so that there is something real to archive:
//
//   train_text --out runs/demo --steps 300 --every 50 --seed 1
//
// Each folder step-NNNN holds model.safetensors (float32), model-bf16.safetensors (the same
// weights, rounded), optimizer.safetensors (Adam's two moments) and metrics.json. For the
// last third of the steps the embeddings and the first block are frozen, as one does in
// fine-tuning: those tensors then stay as they are from checkpoint to checkpoint.
//
//   train_text --store DIR --losses FILE
//
// saves checkpoints into a store instead, and goes on from the last one that is there: it may
// be killed at any time. FILE is appended every step's loss, exactly.
#include <chrono>
#include <cstdlib>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <iterator>

#include "adam.h"
#include "safetensors_writer.h"
#include "tiny_transformer.h"
#include "training_checkpoints.h"

namespace {

using example::Adam;
using example::Dtype;
using example::Random;
using example::SafetensorsWriter;
using example::Tensor;
using example::TinyTransformer;
using example::TrainingCheckpoints;

constexpr std::size_t kBatch = 8;
constexpr std::size_t kContext = TinyTransformer::kContext;

struct Options {
  std::filesystem::path out = "train_text_run";
  std::filesystem::path text = "/usr/share/common-licenses";
  std::string store;   // a folder; empty: checkpoints are files
  std::string losses;  // a file; empty: none
  std::size_t steps = 300;
  std::size_t every = 50;
  std::uint64_t seed = 1;
};

[[noreturn]] void stop(const std::string& why) {
  std::fprintf(stderr, "train_text: %s\n", why.c_str());
  std::exit(1);
}

// The bytes of all regular files under a folder, in the order of their names.
std::string read_folder(const std::filesystem::path& folder) {
  std::vector<std::filesystem::path> files;
  std::error_code error;
  for (const auto& entry : std::filesystem::recursive_directory_iterator(folder, error)) {
    if (entry.is_regular_file() && !entry.is_symlink()) files.push_back(entry.path());
  }
  std::sort(files.begin(), files.end());
  std::string text;
  for (const auto& file : files) {
    std::ifstream in(file, std::ios::binary);
    text.append(std::istreambuf_iterator<char>(in), {});
  }
  return text;
}

// One steep batch must not throw the weights away: longer gradients are cut to length one.
void clip(std::vector<float>& gradients) {
  double squares = 0;
  for (const float g : gradients) squares += static_cast<double>(g) * g;
  if (squares <= 1) return;
  const auto shrink = static_cast<float>(1 / std::sqrt(squares));
  for (float& g : gradients) g *= shrink;
}

// Text to learn from, and text that the model never learns from, to see what it learnt.
struct Corpus {
  std::string text;
  std::size_t held_out_from = 0;

  void sample(std::size_t begin, std::size_t end, Random& random, std::uint8_t* input, std::uint8_t* target) const {
    for (std::size_t row = 0; row < kBatch; ++row) {
      const std::size_t at = begin + random.below(end - begin - kContext - 1);
      std::memcpy(input + row * kContext, text.data() + at, kContext);
      std::memcpy(target + row * kContext, text.data() + at + 1, kContext);
    }
  }
};

double held_out_loss(TinyTransformer& model, const Corpus& corpus) {
  Random same_each_time(42);
  std::vector<std::uint8_t> input(kBatch * kContext), target(kBatch * kContext);
  double sum = 0;
  for (int i = 0; i < 4; ++i) {
    corpus.sample(corpus.held_out_from, corpus.text.size(), same_each_time, input.data(), target.data());
    sum += model.loss(input.data(), target.data(), kBatch);
  }
  return sum / 4;
}

void save(const std::filesystem::path& out, std::size_t step, double loss, const TinyTransformer& model,
          const Adam& adam) {
  char name[32];
  std::snprintf(name, sizeof name, "step-%04zu", step);
  const std::filesystem::path folder = out / name;
  std::error_code error;
  std::filesystem::create_directories(folder, error);
  SafetensorsWriter weights(step), rounded(step), moments(step);
  for (const Tensor& tensor : model.tensors) {
    const float* values = &model.values[tensor.offset];
    weights.add(tensor.name, tensor.shape, values, tensor.count, Dtype::f32);
    rounded.add(tensor.name, tensor.shape, values, tensor.count, Dtype::bf16);
    moments.add(tensor.name + ".first", tensor.shape, &adam.first[tensor.offset], tensor.count, Dtype::f32);
    moments.add(tensor.name + ".second", tensor.shape, &adam.second[tensor.offset], tensor.count, Dtype::f32);
  }
  std::ofstream metrics(folder / "metrics.json");
  metrics << "{\"step\": " << step << ", \"held_out_loss\": " << loss << "}\n";
  metrics.close();
  if (!metrics || !weights.write(folder / "model.safetensors") || !rounded.write(folder / "model-bf16.safetensors") ||
      !moments.write(folder / "optimizer.safetensors")) {
    stop("cannot write the checkpoint " + folder.string() + ": " + std::strerror(errno));
  }
}

// What the model would write on, byte by byte, from the beginning it is given.
std::string continue_text(TinyTransformer& model, std::string text, std::size_t bytes, Random& random) {
  std::vector<std::uint8_t> window(kContext);
  for (std::size_t i = 0; i < bytes; ++i) {
    const std::size_t used = std::min(text.size(), kContext);
    std::memcpy(window.data(), text.data() + text.size() - used, used);
    const float* logits = &model.forward(window.data(), 1)[(used - 1) * TinyTransformer::kBytes];
    // A temperature below one prefers what the model is sure of.
    std::vector<double> weights(TinyTransformer::kBytes);
    const float top = *std::max_element(logits, logits + weights.size());
    double total = 0;
    for (std::size_t c = 0; c < weights.size(); ++c) total += weights[c] = std::exp((logits[c] - top) / 0.6);
    double at = random.uniform() * total;
    std::size_t chosen = 0;
    while (chosen + 1 < weights.size() && (at -= weights[chosen]) > 0) ++chosen;
    text.push_back(static_cast<char>(chosen));
  }
  return text;
}

Options parse(int argc, char** argv) {
  Options options;
  for (int i = 1; i < argc; i += 2) {
    const std::string flag = argv[i];
    if (i + 1 == argc)
      stop(
          "usage: train_text [--out DIR | --store DIR] [--text DIR] [--losses FILE] [--steps N] [--every N] [--seed "
          "N]");
    const std::string value = argv[i + 1];
    char* end = nullptr;
    const std::uint64_t number = std::strtoull(value.c_str(), &end, 10);
    const bool is_number = !value.empty() && *end == '\0';
    if (flag == "--out") {
      options.out = value;
    } else if (flag == "--text") {
      options.text = value;
    } else if (flag == "--store") {
      options.store = value;
    } else if (flag == "--losses") {
      options.losses = value;
    } else if (flag == "--steps" && is_number && number > 0) {
      options.steps = number;
    } else if (flag == "--every" && is_number && number > 0) {
      options.every = number;
    } else if (flag == "--seed" && is_number) {
      options.seed = number;
    } else {
      stop("cannot use " + flag + " " + value);
    }
  }
  return options;
}

}  // namespace

int main(int argc, char** argv) {
  const Options options = parse(argc, argv);
  Corpus corpus{read_folder(options.text)};
  corpus.held_out_from = corpus.text.size() / 16 * 15;
  if (corpus.text.size() < 32768)
    stop("less than 32 KiB of text in " + options.text.string() + "; name more with --text");

  Random random(options.seed);
  TinyTransformer model(kBatch, random);
  Adam adam(model.values.size());
  std::printf("%zu parameters, trained on %zu bytes of %s, seed %llu\n", model.values.size(), corpus.held_out_from,
              options.text.c_str(), static_cast<unsigned long long>(options.seed));

  std::vector<std::uint8_t> input(kBatch * kContext), target(kBatch * kContext);
  std::vector<bool> frozen(model.tensors.size());
  const std::size_t freeze_at = options.steps - options.steps / 3;
  const auto began = std::chrono::steady_clock::now();
  double recent = 0;
  std::size_t resumed = 0;
  std::optional<TrainingCheckpoints> checkpoints;
  const TrainingCheckpoints::State state{.model = model, .adam = adam, .random = random, .recent_loss = recent};
  if (!options.store.empty()) {
    auto opened = TrainingCheckpoints::open(options.store);
    if (!opened.ok()) stop(opened.error().message);
    checkpoints = std::move(opened).value();
    const auto found = checkpoints->resume(state);
    if (!found.ok()) stop(found.error().message);
    resumed = *found;
    if (resumed > 0) std::printf("goes on behind step %zu\n", resumed);
  }
  std::ofstream losses;
  if (!options.losses.empty()) losses.open(options.losses, std::ios::app);
  for (std::size_t step = resumed + 1; step <= options.steps; ++step) {
    if (step == freeze_at + 1 || (step == resumed + 1 && step > freeze_at)) {
      for (std::size_t t = 0; t < frozen.size(); ++t) {
        const std::string& name = model.tensors[t].name;
        frozen[t] = name.starts_with("embedding.") || name.starts_with("position.") || name.starts_with("blocks.0.");
      }
      std::printf("from here on the embeddings and the first block are frozen\n");
    }
    std::fill(model.gradients.begin(), model.gradients.end(), 0.0F);
    corpus.sample(0, corpus.held_out_from, random, input.data(), target.data());
    const double loss = model.loss(input.data(), target.data(), kBatch);
    model.backward(input.data(), kBatch);
    clip(model.gradients);
    // The rate rises over the first steps and then falls to a tenth along a cosine.
    const double progress = static_cast<double>(step) / static_cast<double>(options.steps);
    const double rate =
        2e-3 * std::min(1.0, static_cast<double>(step) / 20) * (0.55 + 0.45 * std::cos(3.14159 * progress));
    adam.step(model, frozen, static_cast<float>(rate));

    recent = step == 1 ? loss : 0.9 * recent + 0.1 * loss;
    if (losses.is_open()) {
      char line[64];
      std::snprintf(line, sizeof line, "%zu %a\n", step, loss);
      losses << line << std::flush;
    }
    if (step == 1 || step % options.every == 0 || step == options.steps) {
      const double held_out = held_out_loss(model, corpus);
      const double seconds = std::chrono::duration<double>(std::chrono::steady_clock::now() - began).count();
      std::printf("step %4zu   loss %.3f   on text never seen %.3f   %5.1f s\n", step, recent, held_out, seconds);
      std::fflush(stdout);
      if (step % options.every != 0 && step != options.steps) continue;
      if (!checkpoints) {
        save(options.out, step, held_out, model, adam);
      } else if (const cairn::Status saved = checkpoints->save(step, state, held_out); !saved.ok()) {
        stop(saved.error().message);
      }
    }
  }
  if (checkpoints) {
    if (const cairn::Status closed = checkpoints->close(); !closed.ok()) stop(closed.error().message);
  }
  std::printf("it now writes: %s\n", continue_text(model, "You may copy and distribute ", 160, random).c_str());
  return 0;
}
