// SPDX-License-Identifier: Apache-2.0
//
// The example's training process, which saves all weights and both moments of the optimizer
// after every step: the time of a step beside that of the same step without saving.
//
// Expected. Borrowed tensors cost the step a note for each: digests, encoding and writing
// happen on another core during the next forward and backward pass, and are over when the
// optimizer changes the weights. A copy costs what memcpy of the state does. A file that is
// written and synced costs that and the disk. A mirror reads what was saved from the disk and packs it, on the other
// core, when that has nothing else to do.
//
// Held constant: the model and its state, the order of the ways within a round. The training
// thread uses one core, the store's threads have the others.
#include <fcntl.h>
#include <unistd.h>

#include "api/examples/adam.h"
#include "api/examples/safetensors_writer.h"
#include "bench/ingest/measure.h"
#include "bench/ingest/mirrored_store.h"
#include "bench/ingest/subjects.h"

namespace bench {
namespace {

constexpr std::size_t kBatch = 8, kSteps = 20;

enum class Way { nothing, borrow, copy, file_and_fsync, safetensors };
// Of a mirror that is kept up to date meanwhile: none, at most 100 MB a second (a line of 1 Gbit/s, nearly), all there
// is.
enum class Mirrored { no, at_100_mb, unbounded };
struct Line {
  Way way;
  const char* name;
  const char* goal;
  Mirrored mirrored = Mirrored::no;
};
constexpr Line kLines[] = {{Way::nothing, "nothing saved", ""},
                           {Way::borrow, "put_many_async, borrowed until staged", "1.03"},
                           {Way::borrow, "the same, mirrored at 100 MB/s", "1.02 x", Mirrored::at_100_mb},
                           {Way::borrow, "the same, mirrored at any rate", "", Mirrored::unbounded},
                           {Way::copy, "put_many_async, copied", "1.03"},
                           {Way::safetensors, "a safetensors file, not synced", ""},
                           {Way::file_and_fsync, "write() and fsync()", ""}};

class Training {
 public:
  explicit Training(const Setup& setup)
      : folder_(setup.folder), random_(1), model_(kBatch, random_), adam_(model_.values.size()) {
    bytes_.resize(2 * kBatch * example::TinyTransformer::kContext);
  }

  std::size_t state_bytes() const { return 3 * model_.values.size() * sizeof(float); }

  // Milliseconds of each step.
  Samples run(Way way, Mirrored mirrored) {
    std::optional<cairn::MirroringOptions> mirroring;
    if (mirrored != Mirrored::no) mirroring.emplace();
    if (mirrored == Mirrored::at_100_mb) mirroring->bytes_per_second = 100'000'000;
    cairn::Store store = mirrored_store(folder_, 256 * MiB, mirroring);
    Samples steps;
    for (std::size_t i = 0; i <= kSteps; ++i) {
      const Stopwatch watch;
      step();
      save(way, store);
      if (i > 0) steps.add(watch.seconds() * 1e3);  // the first one warms up
    }
    if (last_) check(last_->committed().wait());
    last_.reset();
    return steps;
  }

 private:
  void step() {
    for (std::uint8_t& byte : bytes_) byte = static_cast<std::uint8_t>(random_.below(256));
    const std::uint8_t* const input = bytes_.data();
    std::fill(model_.gradients.begin(), model_.gradients.end(), 0.0F);
    model_.loss(input, input + bytes_.size() / 2, kBatch);
    model_.backward(input, kBatch);
    // From here on the weights change: what was borrowed must be free.
    if (last_) check(last_->staged().wait());
    adam_.step(model_, std::vector<bool>(model_.tensors.size()), 1e-4F);
  }

  void save(Way way, cairn::Store& store) {
    switch (way) {
      case Way::nothing: break;
      case Way::borrow: put(store, cairn::Handover::borrow); break;
      case Way::copy: put(store, cairn::Handover::copy); break;
      case Way::file_and_fsync: write_and_sync(); break;
      case Way::safetensors: write_safetensors(); break;
    }
  }

  template <class Visit>
  void for_each_tensor(Visit visit) {
    for (const example::Tensor& tensor : model_.tensors) {
      visit(tensor, tensor.name, &model_.values[tensor.offset]);
      visit(tensor, tensor.name + ".first", &adam_.first[tensor.offset]);
      visit(tensor, tensor.name + ".second", &adam_.second[tensor.offset]);
    }
  }

  void put(cairn::Store& store, cairn::Handover handover) {
    std::vector<cairn::Put> puts;
    for_each_tensor([&](const example::Tensor& tensor, std::string name, const float* values) {
      puts.push_back({.bytes = std::as_bytes(std::span(values, tensor.count)),
                      .tensor = cairn::TensorLayout{.dtype = cairn::DType::f32,
                                                    .shape = {tensor.shape.begin(), tensor.shape.end()}},
                      .handover = handover,
                      .name = std::move(name)});
    });
    last_ = store.put_many_async(std::move(puts));
  }

  void write_and_sync() {
    const std::string path = folder_ + "/state.bin";
    const int file = ::open(path.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);
    if (file < 0) die("cannot write " + path);
    for (const std::vector<float>* part : {&model_.values, &adam_.first, &adam_.second}) {
      const auto bytes = std::as_bytes(std::span(*part));
      if (::write(file, bytes.data(), bytes.size()) != static_cast<ssize_t>(bytes.size())) die("cannot write " + path);
    }
    if (::fsync(file) != 0 || ::close(file) != 0) die("cannot sync " + path);
    ::unlink(path.c_str());
  }

  void write_safetensors() {
    example::SafetensorsWriter writer(1);
    for_each_tensor([&](const example::Tensor& tensor, const std::string& name, const float* values) {
      writer.add(name, tensor.shape, values, tensor.count, example::Dtype::f32);
    });
    const std::string path = folder_ + "/state.safetensors";
    if (!writer.write(path)) die("cannot write " + path);
    ::unlink(path.c_str());
  }

  const std::string folder_;
  example::Random random_;
  example::TinyTransformer model_;
  example::Adam adam_;
  std::vector<std::uint8_t> bytes_;  // what is learnt, and what follows
  std::optional<cairn::Ticket> last_;
};

}  // namespace

void training(const Setup& setup) {
  Training training(setup);
  Samples steps[std::size(kLines)], of_nothing[std::size(kLines)];
  for (int round = 0; round < setup.rounds; ++round) {
    double nothing = 0;
    for (std::size_t i = 0; i < std::size(kLines); ++i) {
      const Samples samples = training.run(kLines[i].way, kLines[i].mirrored);
      if (i == 0) nothing = samples.median();
      steps[i].add(samples);
      of_nothing[i].add(samples.median() / nothing);
    }
  }
  head(text("Training, %.1f MB of state saved after every step", static_cast<double>(training.state_bytes()) / 1e6)
           .c_str(),
       {"saved by", "steps", "median ms", "p99 ms", "of the step without saving", "goal"});
  for (std::size_t i = 0; i < std::size(kLines); ++i) {
    row({kLines[i].name, text("%zu", steps[i].count()), text("%.1f", steps[i].median()),
         text("%.1f", steps[i].percentile(99)), text("%.3f", of_nothing[i].median()), kLines[i].goal});
  }
}

}  // namespace bench
