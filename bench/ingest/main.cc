// SPDX-License-Identifier: Apache-2.0
//
// What putting values into a store costs, beside the ceilings of the same run.
//
//   build/release/bench/ingest [--dir DIR] [--rounds N] [SUBJECT...]
//
// SUBJECT is caller_cost, durable_rate, large_values, small_values, results, reads, evaluations, series, loop,
// training, live_reader, recovery, checkpoints, retention or memory; all without one. Each runs in a process of its
// own, so that none inherits the memory of another. The first lines of each subject's file say what is held constant
// and what to expect.
#include "bench/ingest/subjects.h"

#include <sys/wait.h>
#include <unistd.h>

#include <filesystem>

#include "bench/ingest/measure.h"

namespace {

struct Subject {
  const char* name;
  void (*run)(const bench::Setup&);
};

constexpr Subject kSubjects[] = {{"caller_cost", bench::caller_cost},
                                 {"durable_rate", bench::durable_rate},
                                 {"large_values", bench::large_values},
                                 {"small_values", bench::small_values},
                                 {"results", bench::results},
                                 {"reads", bench::reads},
                                 {"evaluations", bench::evaluations},
                                 {"series", bench::series},
                                 {"loop", bench::loop},
                                 {"training", bench::training},
                                 {"live_reader", bench::live_reader},
                                 {"recovery", bench::recovery},
                                 {"checkpoints", bench::checkpoints},
                                 {"retention", bench::retention},
                                 {"memory", bench::memory}};

bool run_alone(const Subject& subject, const bench::Setup& setup) {
  std::fflush(stdout);
  const pid_t child = ::fork();
  if (child == 0) {
    subject.run(setup);
    std::exit(0);
  }
  int status = 1;
  return child > 0 && ::waitpid(child, &status, 0) == child && status == 0;
}

}  // namespace

int main(int argc, char** argv) {
  bench::Setup setup{.folder = "build/bench-data"};
  std::vector<std::string> wanted;
  for (int i = 1; i < argc; ++i) {
    const std::string word = argv[i];
    if (word == "--dir" && i + 1 < argc) {
      setup.folder = argv[++i];
    } else if (word == "--rounds" && i + 1 < argc) {
      setup.rounds = std::max(1, std::atoi(argv[++i]));
    } else if (std::any_of(std::begin(kSubjects), std::end(kSubjects), [&](auto& s) { return s.name == word; })) {
      wanted.push_back(word);
    } else {
      bench::die("no such subject: " + word);
    }
  }
  std::filesystem::create_directories(setup.folder);
  bool good = true;
  for (const Subject& subject : kSubjects) {
    if (!wanted.empty() && std::find(wanted.begin(), wanted.end(), subject.name) == wanted.end()) continue;
    good = run_alone(subject, setup) && good;
  }
  return good ? 0 : 1;
}
