// SPDX-License-Identifier: Apache-2.0
#include "engine/results/experiment_entry.h"

#include <vector>

#include "engine/results/entry_key.h"

namespace cairn {
namespace {

constexpr std::uint8_t kVersion = 1;  // of every value here
constexpr std::string_view kProgress = "p", kGeneration = "g";

std::string to_value(const std::vector<std::byte>& bytes) { return std::string(as_text(bytes)); }

Status check_version(FieldReader& reader) {
  CAIRN_TRY(const auto version, reader.get<std::uint8_t>("version"));
  if (version > kVersion) return newer_version(reader.structure(), version, kVersion);
  if (version == 0) return reader.wrong("is 0");
  return {};
}

EntryKey key_of(ExperimentNumber number) {
  EntryKey key(EntrySpace::evaluations);
  key.number(static_cast<std::uint64_t>(number));
  return key;
}

}  // namespace

std::string encode(const ExperimentRecord& record) {
  std::vector<std::byte> out;
  ByteWriter writer(out);
  writer.put(kVersion);
  writer.put(static_cast<std::uint64_t>(record.number));
  writer.put(static_cast<std::uint8_t>(record.status));
  writer.put(static_cast<std::uint64_t>(record.created_ns));
  writer.put(static_cast<std::uint64_t>(record.updated_ns));
  writer.put(static_cast<std::uint8_t>(record.completed_ns ? 1 : 0));
  if (record.completed_ns) writer.put(static_cast<std::uint64_t>(*record.completed_ns));
  for (const std::string* text : {&record.optimizer, &record.config, &record.search_space}) writer.put_string(*text);
  return to_value(out);
}

std::string encode(const ExperimentProgress& progress) {
  std::vector<std::byte> out;
  ByteWriter writer(out);
  writer.put(kVersion);
  writer.put(static_cast<std::uint64_t>(progress.updated_ns));
  writer.put(progress.heartbeat_store_ns);
  put_tally(writer, progress.tally);
  return to_value(out);
}

std::string encode(const FitnessTally& tally) {
  std::vector<std::byte> out;
  ByteWriter writer(out);
  writer.put(kVersion);
  put_tally(writer, tally);
  return to_value(out);
}

std::string encode(ExperimentNumber next) {
  std::vector<std::byte> out;
  ByteWriter writer(out);
  writer.put(kVersion);
  writer.put(static_cast<std::uint64_t>(next));
  return to_value(out);
}

Result<ExperimentRecord> decode_experiment(std::string_view value) {
  FieldReader reader("experiment", as_bytes(value));
  CAIRN_CHECK(check_version(reader));
  ExperimentRecord record;
  CAIRN_TRY(const auto number, reader.get<std::uint64_t>("number"));
  record.number = static_cast<ExperimentNumber>(number);
  CAIRN_TRY(const auto status, reader.get<std::uint8_t>("status"));
  record.status = static_cast<ExperimentStatus>(status);
  if (experiment_status_name(record.status).empty()) return reader.wrong("is no status");
  CAIRN_TRY(record.created_ns, reader.get_signed("created_ns"));
  CAIRN_TRY(record.updated_ns, reader.get_signed("updated_ns"));
  CAIRN_TRY(const bool completed, reader.get_bool("completed"));
  if (completed) {
    CAIRN_TRY(record.completed_ns, reader.get_signed("completed_ns"));
  }
  CAIRN_TRY(record.optimizer, reader.get_string("optimizer"));
  CAIRN_TRY(record.config, reader.get_string("config"));
  CAIRN_TRY(record.search_space, reader.get_string("search_space"));
  CAIRN_CHECK(reader.expect_end());
  return record;
}

Result<ExperimentProgress> decode_progress(std::string_view value) {
  FieldReader reader("progress of an experiment", as_bytes(value));
  CAIRN_CHECK(check_version(reader));
  ExperimentProgress progress;
  CAIRN_TRY(progress.updated_ns, reader.get_signed("updated_ns"));
  CAIRN_TRY(progress.heartbeat_store_ns, reader.get<std::uint64_t>("heartbeat_store_ns"));
  CAIRN_TRY(progress.tally, get_tally(reader));
  CAIRN_CHECK(reader.expect_end());
  return progress;
}

Result<FitnessTally> decode_generation(std::string_view value) {
  FieldReader reader("statistics of a generation", as_bytes(value));
  CAIRN_CHECK(check_version(reader));
  CAIRN_TRY(const FitnessTally tally, get_tally(reader));
  CAIRN_CHECK(reader.expect_end());
  return tally;
}

Result<ExperimentNumber> decode_next_number(std::string_view value) {
  FieldReader reader("number of experiments", as_bytes(value));
  CAIRN_CHECK(check_version(reader));
  CAIRN_TRY(const auto next, reader.get<std::uint64_t>("next"));
  CAIRN_CHECK(reader.expect_end());
  return static_cast<ExperimentNumber>(next);
}

std::string next_number_key() { return EntryKey(EntrySpace::evaluations).bytes(); }

std::string experiment_key(std::string_view name) { return EntryKey(EntrySpace::experiments).text(name).bytes(); }

std::string experiment_status_key(ExperimentStatus status, std::string_view name) {
  return EntryKey(EntrySpace::experiments).number(static_cast<std::uint64_t>(status)).text(name).bytes();
}

std::string experiment_prefix(ExperimentNumber number) { return key_of(number).bytes(); }
std::string progress_key(ExperimentNumber number) { return key_of(number).rest(kProgress).bytes(); }
std::string generation_prefix(ExperimentNumber number) { return key_of(number).rest(kGeneration).bytes(); }
std::string generation_key(ExperimentNumber number, std::uint64_t generation) {
  return key_of(number).rest(kGeneration).number(generation).bytes();
}

}  // namespace cairn
