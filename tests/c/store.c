/* SPDX-License-Identifier: Apache-2.0
 *
 * Errors, options, stores, archives.
 */
#include "check.h"

void test_errors(void) {
  cairn_store* store = NULL;
  const int all[] = {CAIRN_INVALID_ARGUMENT, CAIRN_NOT_FOUND, CAIRN_NO_STORE,
                     CAIRN_ALREADY_EXISTS,   CAIRN_HELD,      CAIRN_CORRUPTION,
                     CAIRN_UNSUPPORTED,      CAIRN_NO_SPACE,  CAIRN_IO,
                     CAIRN_POISONED,         CAIRN_CANCELLED, CAIRN_RESOURCE_EXHAUSTED,
                     CAIRN_OVERLOADED,       CAIRN_CONFLICT,  CAIRN_PENDING};
  size_t i;
  for (i = 0; i < sizeof all / sizeof *all; ++i) {
    CHECK(strcmp(cairn_code_name((cairn_code)all[i]), "unknown") != 0);
  }
  CHECK(strcmp(cairn_code_name(CAIRN_OK), "ok") == 0);
  CHECK(strcmp(cairn_code_name(CAIRN_NO_STORE), "no_store") == 0);
  CHECK(strcmp(cairn_code_name(CAIRN_CONFLICT), "conflict") == 0);
  CHECK(strcmp(cairn_code_name((cairn_code)99), "unknown") == 0);
  CHECK(cairn_version()[0] >= '0' && cairn_version()[0] <= '9');

  CHECK(cairn_error_message()[0] == '\0');
  CHECK_FAILS(CAIRN_NO_STORE, cairn_open(in_scratch("nothing"), NULL, &store));
  CHECK(store == NULL);
  CHECK(strstr(cairn_error_message(), "nothing") != NULL);
  CHECK(!cairn_error_is_retryable());
  CHECK_FAILS(CAIRN_INVALID_ARGUMENT, cairn_open(NULL, NULL, &store));
  CHECK(strstr(cairn_error_message(), "path") != NULL);
  CHECK(cairn_error_errno() == 0);
  CHECK_FAILS(CAIRN_INVALID_ARGUMENT, cairn_sync(NULL));
  CHECK_FAILS(CAIRN_INVALID_ARGUMENT, cairn_put(NULL, NULL, NULL));
  CHECK_OK(cairn_close(NULL));
  cairn_free(NULL);
}

void test_options(void) {
  struct {
    cairn_open_options known;
    unsigned char later[16];
  } newer = {CAIRN_OPEN_OPTIONS_INIT, {0}};
  cairn_open_options options = CAIRN_OPEN_OPTIONS_INIT;
  cairn_store* store = NULL;
  /* A program that was built with a newer header, and does not use what is new in it. */
  newer.known.size = sizeof newer;
  newer.known.mode = CAIRN_OPEN_CREATE;
  CHECK_OK(cairn_open(in_scratch("store"), &newer.known, &store));
  CHECK_OK(cairn_close(store));
  newer.later[3] = 1;
  store = NULL;
  CHECK_FAILS(CAIRN_UNSUPPORTED, cairn_open(in_scratch("store"), &newer.known, &store));
  /* One that was built with an older one: what is behind is as by default. */
  options.size = offsetof(cairn_open_options, threads);
  options.read_only = 1;
  options.read_through = (const char*)1;
  CHECK_OK(cairn_open(in_scratch("store"), &options, &store));
  CHECK_OK(cairn_close(store));
  memset(&options, 0, sizeof options);
  CHECK_FAILS(CAIRN_INVALID_ARGUMENT, cairn_open(in_scratch("store"), &options, &store));
  CHECK(strstr(cairn_error_message(), "_INIT") != NULL);
}

void test_store(void) {
  cairn_open_options options = CAIRN_OPEN_OPTIONS_INIT;
  cairn_store* store = new_store();
  cairn_store* other = NULL;
  cairn_put_value value = value_of("content", 7);
  cairn_id id;
  uint64_t freed = 99, damaged = 99;
  char* text = NULL;
  CHECK_OK(cairn_put(store, &value, &id));
  CHECK_FAILS(CAIRN_HELD, cairn_open(in_scratch("store"), NULL, &other));
  options.mode = CAIRN_OPEN_EXCLUSIVE;
  CHECK_FAILS(CAIRN_ALREADY_EXISTS, cairn_open(in_scratch("store"), &options, &other));
  options.mode = (cairn_open_mode)7;
  CHECK_FAILS(CAIRN_INVALID_ARGUMENT, cairn_open(in_scratch("store"), &options, &other));
  options.mode = CAIRN_OPEN_EXISTING;
  options.read_only = 1;
  CHECK_OK(cairn_open(in_scratch("store"), &options, &other));
  CHECK(cairn_put(other, &value, NULL) != CAIRN_OK);
  CHECK_OK(cairn_close(other));
  CHECK_OK(cairn_sync(store));
  CHECK_OK(cairn_gc(store, &freed));
  CHECK(freed == 0);
  CHECK_OK(cairn_gc(store, NULL));
  CHECK_OK(cairn_check(store, 1, &damaged));
  CHECK(damaged == 0);
  CHECK_OK(cairn_metrics_text(store, &text));
  CHECK(strstr(text, "cairn_") != NULL);
  cairn_free(text);
  CHECK_OK(cairn_close(store));
}

static void write_file(const char* path, const char* content) {
  FILE* file = fopen(path, "wb");
  CHECK(file != NULL && fputs(content, file) >= 0 && fclose(file) == 0);
}

void test_archive(void) {
  char path[4200], read[64] = {0};
  const char* paths[1];
  cairn_store* store = new_store();
  uint64_t version = 0;
  FILE* file;
  snprintf(path, sizeof path, "%s", in_scratch("notes.txt"));
  paths[0] = path;
  write_file(path, "first");
  CHECK_OK(cairn_add(store, paths, 1, "notes", &version));
  CHECK(version == 1);
  write_file(path, "second, longer");
  CHECK_OK(cairn_add(store, paths, 1, "notes", &version));
  CHECK(version == 2);
  CHECK_OK(cairn_restore(store, "notes@1", in_scratch("back")));
  file = fopen(in_scratch("back/notes.txt"), "rb");
  CHECK(file != NULL && fread(read, 1, sizeof read - 1, file) == 5 && strcmp(read, "first") == 0);
  fclose(file);
  CHECK_FAILS(CAIRN_NOT_FOUND, cairn_restore(store, "never", in_scratch("never")));
  CHECK_FAILS(CAIRN_INVALID_ARGUMENT, cairn_add(store, NULL, 1, "notes", NULL));
  CHECK_FAILS(CAIRN_INVALID_ARGUMENT, cairn_add(store, paths, 1, NULL, NULL));
  CHECK_OK(cairn_close(store));
}
