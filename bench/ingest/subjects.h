// SPDX-License-Identifier: Apache-2.0
//
// What the ingest benchmark measures: one function each, in a file of its name.
#pragma once

#include <string>

namespace bench {

struct Setup {
  std::string folder;  // on the file system that is measured
  int rounds = 5;
};

void caller_cost(const Setup& setup);   // what put_async costs the thread that calls it
void durable_rate(const Setup& setup);  // bytes per second until they survive power loss
void large_values(const Setup& setup);  // values of mebibytes beside other stores
void small_values(const Setup& setup);  // values of a line or a page beside other stores
void results(const Setup& setup);       // results under keys beside other stores
void reads(const Setup& setup);         // what reading a result costs
void evaluations(const Setup& setup);   // a million evaluations of an experiment
void series(const Setup& setup);        // ten million points of metrics in a thousand runs
void loop(const Setup& setup);          // what logging metrics after every step costs a loop of work
void training(const Setup& setup);      // what saving after every step costs a training process
void live_reader(const Setup& setup);   // how far a reader in another process is behind, and what it costs the writer
void recovery(const Setup& setup);      // what opening costs after a writer was killed
void checkpoints(const Setup& setup);   // saving and loading 1 GiB of which a tenth changed
void retention(const Setup& setup);     // keeping the last few checkpoints and giving back the space of the others
void memory(const Setup& setup);        // what the process takes for a thousand saves

}  // namespace bench
