/* SPDX-License-Identifier: Apache-2.0
 *
 * What the tests in C share: claims that end the program, and a store in a folder of its own.
 */
#ifndef CAIRN_TESTS_C_CHECK_H
#define CAIRN_TESTS_C_CHECK_H

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cairn.h"

#define CHECK(claim)                                                                               \
  do {                                                                                             \
    if (!(claim)) {                                                                                \
      fprintf(stderr, "%s:%d: %s does not hold; the last error: %s\n", __FILE__, __LINE__, #claim, \
              cairn_error_message());                                                              \
      exit(1);                                                                                     \
    }                                                                                              \
  } while (0)
/* The call succeeds, or fails with this code and words. */
#define CHECK_OK(call) CHECK((call) == CAIRN_OK)
#define CHECK_FAILS(code, call) CHECK((call) == (code) && cairn_error_message()[0] != '\0')

/* Gone with clean_up(). */
const char* scratch(void);
const char* in_scratch(const char* name);
cairn_store* new_store(void);
void clean_up(void);

/* The value with these bytes. */
cairn_put_value value_of(const void* data, size_t bytes);

void test_errors(void);
void test_options(void);
void test_store(void);
void test_objects(void);
void test_tensors(void);
void test_tickets(void);
void test_release(void);
void test_list(void);
void test_checkpoints(void);
void test_results(void);
void test_metrics(void);
void test_archive(void);

#endif
