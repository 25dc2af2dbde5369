// SPDX-License-Identifier: Apache-2.0
//
// What a checkpoint of 1 GiB in 300 tensors costs: the call, the bytes written, loading it.
//
// Expected. The call hands memory over: for each tensor a few allocations and a lock taken, so
// about a microsecond each, 300 in all; making the list of values is the caller's own. With a
// budget that is smaller than the state the call waits for room, as long as digesting takes. What is
// written is what changed (30 tensors) and manifests: 300 names of 60 bytes, 30 tensor and blob
// manifests, which is 0.1 % of it. Until it is committed, the other 0.9 GiB are read once to be
// digested. Loading reads each block once, decodes and digests it, and writes it where it
// belongs: the device's rate or that of the digest on all cores, whichever is less.
//
// Held constant: noise, which no codec shortens; tensors of 3.4 MiB that are borrowed; blocks of
// 1 MiB. mmap + copy is what reading a safetensors file into given memory does, of a file of the
// same bytes on the same disk, without a digest; torch.load, where Debian's PyTorch is installed,
// of a state of as many tensors, and then copies it as well. No file and no log is in the page cache.
#include <fcntl.h>
#include <sys/mman.h>
#include <unistd.h>

#include <filesystem>

#include "bench/ingest/ceilings.h"
#include "bench/ingest/measure.h"
#include "bench/ingest/subjects.h"

namespace bench {
namespace {

constexpr std::size_t kTensors = 300, kChanged = kTensors / 10;
constexpr std::size_t kTensorBytes = GiB / kTensors / 4096 * 4096;
constexpr std::size_t kStateBytes = kTensors * kTensorBytes;

std::string name_of(std::size_t tensor) { return "layers." + std::to_string(tensor) + ".attention.weight"; }

std::vector<cairn::Put> values_of(Noise& memory) {
  std::vector<cairn::Put> values;
  values.reserve(kTensors);
  for (std::size_t t = 0; t < kTensors; ++t) {
    values.push_back({.bytes = memory.part(t * kTensorBytes, kTensorBytes),
                      .tensor = cairn::TensorLayout{.dtype = cairn::DType::f32, .shape = {kTensorBytes / 4096, 1024}},
                      .handover = cairn::Handover::borrow,
                      .name = name_of(t)});
  }
  return values;
}

void forget_cached(const std::string& path) {
  const int file = ::open(path.c_str(), O_RDONLY | O_CLOEXEC);
  if (file < 0 || ::fdatasync(file) != 0) die("cannot open " + path);
  static_cast<void>(::posix_fadvise(file, 0, 0, POSIX_FADV_DONTNEED));
  ::close(file);
}

void forget_log(const cairn::Store& store) {
  for (const auto& file : std::filesystem::directory_iterator(store.info().path + "/log")) forget_cached(file.path());
}

// Seconds for a file of these bytes, mapped and copied.
double mapped_copy_seconds(const std::string& path, std::span<std::byte> into) {
  forget_cached(path);
  const Stopwatch watch;
  const int file = ::open(path.c_str(), O_RDONLY | O_CLOEXEC);
  void* const mapped = ::mmap(nullptr, into.size(), PROT_READ, MAP_SHARED, file, 0);
  if (mapped == MAP_FAILED) die("cannot map " + path);
  std::memcpy(into.data(), mapped, into.size());
  const double seconds = watch.seconds();
  ::munmap(mapped, into.size());
  ::close(file);
  return seconds;
}

std::string write_plain(const std::string& folder, std::span<const std::byte> bytes) {
  const std::string path = folder + "/state.plain";
  std::FILE* const file = std::fopen(path.c_str(), "wb");
  if (file == nullptr || std::fwrite(bytes.data(), 1, bytes.size(), file) != bytes.size()) die("cannot write " + path);
  std::fclose(file);
  return path;
}

// Adds what bench/peers/torch_load.py measures, if it can.
void load_with_torch(const Setup& setup, Samples& load_s, Samples& into_s) {
  const std::string command = text("'" CAIRN_SOURCE_DIR "/bench/peers/torch_load.py' '%s' %zu %zu %d 2>/dev/null",
                                   setup.folder.c_str(), kTensors, kTensorBytes, setup.rounds);
  std::FILE* const out = ::popen(command.c_str(), "r");
  double load = 0, into = 0;
  while (out != nullptr && std::fscanf(out, "%lf %lf", &load, &into) == 2) {
    load_s.add(load);
    into_s.add(into);
  }
  if (out != nullptr) ::pclose(out);
}

void checkpoints_within(const Setup& setup, std::size_t budget_bytes) {
  Noise memory(kStateBytes), loaded(kStateBytes);
  cairn::Store store = new_store(setup.folder, budget_bytes);
  cairn::Checkpoints run = store.checkpoints("bench");
  Samples list_us, call_us, commit_s, written, load_s, mapped_s, direct_s, fio_s, torch_s, torch_into_s;
  const int saves = 4 * setup.rounds;
  for (int generation = 0; generation <= saves; ++generation) {
    for (std::size_t t = 0; t < kChanged; ++t) {
      renew(memory.part((t * 10 + static_cast<std::size_t>(generation) % 10) * kTensorBytes, kTensorBytes));
    }
    const std::uint64_t before = store.writer_stats().log_bytes;
    const Stopwatch list_watch;
    std::vector<cairn::Put> values = values_of(memory);
    const double listed = list_watch.seconds();
    const Stopwatch watch;
    const cairn::Ticket ticket = run.save(static_cast<std::uint64_t>(generation), std::move(values));
    const double called = watch.seconds();
    check(ticket.committed().wait());
    if (generation == 0) continue;  // all of it is new
    list_us.add(listed * 1e6);
    call_us.add(called * 1e6);
    commit_s.add(watch.seconds());
    written.add(static_cast<double>(store.writer_stats().log_bytes - before));
  }
  const std::string plain = write_plain(setup.folder, memory.all());
  std::vector<cairn::LoadTarget> targets;
  for (std::size_t t = 0; t < kTensors; ++t) {
    targets.push_back({.name = name_of(t), .into = loaded.part(t * kTensorBytes, kTensorBytes)});
  }
  for (int round = 0; round < setup.rounds; ++round) {
    forget_log(store);
    const Stopwatch watch;
    check(run.load_into(static_cast<std::uint64_t>(saves), targets));
    load_s.add(watch.seconds());
    if (std::memcmp(loaded.all().data(), memory.all().data(), kStateBytes) != 0) die("other bytes were loaded");
    mapped_s.add(mapped_copy_seconds(plain, loaded.all()));
    direct_s.add(read_seconds(plain, O_DIRECT));
    fio_s.add(static_cast<double>(kStateBytes) / 1e9 / fio_read(setup.folder));
  }
  std::filesystem::remove(plain);
  load_with_torch(setup, torch_s, torch_into_s);
  const double changed = static_cast<double>(kChanged * kTensorBytes);
  head(text("1 GiB in 300 tensors, 30 of which changed; the writer's budget is %zu MiB", budget_bytes / MiB).c_str(),
       {"what", "times", "median", "p99", "unit", "goal"});
  const auto print = [](const char* what, const Samples& samples, const char* unit, double scale, const char* goal) {
    row({what, text("%zu", samples.count()), text("%.3g", samples.median() * scale),
         text("%.3g", samples.percentile(99) * scale), unit, goal});
  };
  print("making the list of values", list_us, "us", 1, "");
  print("the call of save()", call_us, "us", 1, "");
  print("until it is committed", commit_s, "s", 1, "");
  print("written to the log, of each byte that changed", written, "", 1 / changed, "1.01");
  print("load_into", load_s, "s", 1, "fio's / 0.8");
  print("fio reading these bytes, O_DIRECT, 1 MiB, 8 in flight", fio_s, "s", 1, "");
  print("one thread reading them in order, O_DIRECT, 4 MiB", direct_s, "s", 1, "");
  print("mmap + copy of a file of these bytes", mapped_s, "s", 1, "");
  print("torch.load of them", torch_s, "s", 1, "");
  print("torch.load and copy_ into given tensors", torch_into_s, "s", 1, "");
}

}  // namespace

void checkpoints(const Setup& setup) {
  checkpoints_within(setup, 256 * MiB);
  checkpoints_within(setup, 1280 * MiB);
}

}  // namespace bench
