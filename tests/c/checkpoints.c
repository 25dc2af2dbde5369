/* SPDX-License-Identifier: Apache-2.0
 *
 * Checkpoints.
 */
#include "check.h"

static int released;

static void count(void* context) {
  (void)context;
  ++released;
}

static void save(cairn_store* store, uint64_t generation, float first, double loss, uint64_t keep_last) {
  const uint64_t shape[1] = {3};
  float weights[3] = {0, 1, 2};
  cairn_put_value values[2] = {CAIRN_PUT_INIT, CAIRN_PUT_INIT};
  cairn_save_options options = CAIRN_SAVE_OPTIONS_INIT;
  const cairn_number metrics[1] = {{"loss", loss}};
  const cairn_attribute metadata[1] = {{"host", "here"}};
  cairn_ticket* ticket = NULL;
  weights[0] = first;
  values[0].data = weights;
  values[0].bytes = sizeof weights;
  values[0].is_tensor = 1;
  values[0].dtype = CAIRN_F32;
  values[0].dimensions = 1;
  values[0].shape = shape;
  values[0].name = "weights";
  values[1].data = "momentum";
  values[1].bytes = 8;
  values[1].name = "optimizer";
  values[1].attributes = metadata;
  values[1].attribute_count = 1;
  values[1].handover = CAIRN_MOVE;
  values[1].release = count;
  options.metrics = metrics;
  options.metric_count = 1;
  options.metadata = metadata;
  options.metadata_count = 1;
  options.keep_last = keep_last;
  CHECK_OK(cairn_save(store, "run", generation, values, 2, &options, &ticket));
  CHECK_OK(cairn_ticket_wait(ticket, CAIRN_COMMITTED, -1));
  cairn_ticket_free(ticket);
}

static int look(void* context, const cairn_value* value) {
  char* seen = context;
  strcat(seen, value->name);
  strcat(seen, value->is_tensor ? "[" : ";");
  if (value->is_tensor) CHECK(value->dtype == CAIRN_F32 && value->dimensions == 1 && value->shape[0] == 3);
  CHECK(value->bytes == (value->is_tensor ? 12 : 8) && value->id.text[0] != '\0');
  return 0;
}

void test_checkpoints(void) {
  cairn_store* store = new_store();
  const uint64_t shape[1] = {3}, other[1] = {4};
  cairn_target targets[2] = {CAIRN_TARGET_INIT, CAIRN_TARGET_INIT};
  cairn_put_value wrong[2] = {CAIRN_PUT_INIT, CAIRN_PUT_INIT};
  cairn_ticket* ticket = NULL;
  uint64_t generation = 99;
  float weights[3] = {0, 0, 0};
  char optimizer[8], seen[64] = "";
  CHECK_FAILS(CAIRN_NOT_FOUND, cairn_latest(store, "run", &generation));
  save(store, 1, 10, 0.5, 0);
  save(store, 2, 20, 0.25, 0);
  save(store, 3, 30, 0.75, 0);
  CHECK(released == 3);
  CHECK_OK(cairn_latest(store, "run", &generation));
  CHECK(generation == 3);
  CHECK_OK(cairn_best(store, "run", "loss", 0, &generation));
  CHECK(generation == 2);
  CHECK_OK(cairn_best(store, "run", "loss", 1, &generation));
  CHECK(generation == 3);
  CHECK_FAILS(CAIRN_NOT_FOUND, cairn_best(store, "run", "accuracy", 1, &generation));
  CHECK_OK(cairn_values(store, "run", 2, look, seen));
  CHECK(strcmp(seen, "optimizer;weights[") == 0);

  targets[0].name = "weights";
  targets[0].into = weights;
  targets[0].bytes = sizeof weights;
  targets[0].is_tensor = 1;
  targets[0].dtype = CAIRN_F32;
  targets[0].dimensions = 1;
  targets[0].shape = shape;
  targets[1].name = "optimizer";
  targets[1].into = optimizer;
  targets[1].bytes = sizeof optimizer;
  CHECK_OK(cairn_load_into(store, "run", 2, targets, 2));
  CHECK(weights[0] == 20 && weights[2] == 2 && memcmp(optimizer, "momentum", 8) == 0);
  targets[0].shape = other;
  CHECK(cairn_load_into(store, "run", 2, targets, 2) != CAIRN_OK);
  CHECK(strstr(cairn_error_message(), "weights") != NULL);
  targets[0].shape = shape;
  targets[1].name = "never";
  CHECK_FAILS(CAIRN_NOT_FOUND, cairn_load_into(store, "run", 2, targets, 2));
  CHECK(strstr(cairn_error_message(), "never") != NULL);
  targets[1].name = NULL;
  CHECK_FAILS(CAIRN_INVALID_ARGUMENT, cairn_load_into(store, "run", 2, targets, 2));

  /* The first is wrong, and the second is released all the same. */
  wrong[0].bytes = 5;
  wrong[0].name = "a";
  wrong[1].data = "b";
  wrong[1].bytes = 1;
  wrong[1].name = "b";
  wrong[1].handover = CAIRN_MOVE;
  wrong[1].release = count;
  CHECK_FAILS(CAIRN_INVALID_ARGUMENT, cairn_save(store, "run", 9, wrong, 2, NULL, &ticket));
  CHECK(released == 4);

  save(store, 4, 40, 1, 2);
  CHECK_FAILS(CAIRN_NOT_FOUND, cairn_values(store, "run", 2, look, seen));
  CHECK_OK(cairn_remove_checkpoint(store, "run", 4));
  CHECK_OK(cairn_latest(store, "run", &generation));
  CHECK(generation == 3);
  CHECK_FAILS(CAIRN_NOT_FOUND, cairn_remove_checkpoint(store, "run", 4));
  CHECK_OK(cairn_close(store));
}
