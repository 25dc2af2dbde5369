/* SPDX-License-Identifier: Apache-2.0
 *
 * Runs the test that it is given: `test_c NAME`.
 */
#define _XOPEN_SOURCE 700
#include <ftw.h>
#include <sys/stat.h>
#include <unistd.h>

#include "check.h"

static char folder[4096];

const char* scratch(void) {
  if (folder[0] == '\0') {
    mkdir("scratch", 0777);
    strcpy(folder, "scratch/c-XXXXXX");
    CHECK(mkdtemp(folder) != NULL);
  }
  return folder;
}

const char* in_scratch(const char* name) {
  static char path[8192];
  snprintf(path, sizeof path, "%s/%s", scratch(), name);
  return path;
}

cairn_store* new_store(void) {
  cairn_open_options options = CAIRN_OPEN_OPTIONS_INIT;
  cairn_store* store = NULL;
  options.mode = CAIRN_OPEN_CREATE;
  options.threads = 1;
  options.writer_bytes = 8 << 20;
  CHECK_OK(cairn_open(in_scratch("store"), &options, &store));
  CHECK(store != NULL);
  return store;
}

static int remove_one(const char* path, const struct stat* info, int kind, struct FTW* at) {
  (void)info, (void)kind, (void)at;
  return remove(path);
}

void clean_up(void) {
  if (folder[0] != '\0') nftw(folder, remove_one, 16, FTW_DEPTH | FTW_PHYS);
}

cairn_put_value value_of(const void* data, size_t bytes) {
  cairn_put_value value = CAIRN_PUT_INIT;
  value.data = data;
  value.bytes = bytes;
  return value;
}

int main(int argc, char** argv) {
  static const struct {
    const char* name;
    void (*run)(void);
  } tests[] = {{"errors", test_errors},   {"options", test_options}, {"store", test_store},
               {"objects", test_objects}, {"tensors", test_tensors}, {"tickets", test_tickets},
               {"release", test_release}, {"list", test_list},       {"checkpoints", test_checkpoints},
               {"results", test_results}, {"metrics", test_metrics}, {"archive", test_archive}};
  size_t i;
  for (i = 0; argc == 2 && i < sizeof tests / sizeof *tests; ++i) {
    if (strcmp(tests[i].name, argv[1]) != 0) continue;
    tests[i].run();
    clean_up();
    return 0;
  }
  fprintf(stderr, "test_c: no such test\n");
  return 2;
}
