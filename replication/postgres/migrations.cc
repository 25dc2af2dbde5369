// SPDX-License-Identifier: Apache-2.0
#include "replication/postgres/migrations.h"

namespace cairn::postgres {
namespace {

// Texts are escaped (escaped.h): `column::bytea` has the bytes. Times in *_ns are nanoseconds since 1970 by the clock
// of the machine that wrote them, exactly as the store has them; the views have them as timestamps. Ids are digests.
//
// Nothing but `store` refers to another table: of what a store says, what was replaced since is not mirrored, so that
// rows come in another order than they were first written in. Files alone belong to a snapshot's row of the same batch.
constexpr std::string_view kTables1 = R"sql(
CREATE TABLE cairn.schema_versions (
  version bigint PRIMARY KEY,
  made timestamptz NOT NULL DEFAULT now());
COMMENT ON TABLE cairn.schema_versions IS 'The versions of this schema, the highest of which it has';
COMMENT ON COLUMN cairn.schema_versions.version IS 'Counted from 1';
COMMENT ON COLUMN cairn.schema_versions.made IS 'When the schema became of this version';

CREATE TABLE cairn.stores (
  store uuid PRIMARY KEY,
  log_segment bigint NOT NULL DEFAULT 0,
  log_offset bigint NOT NULL DEFAULT 0,
  mark bigint,
  store_time_ns bigint,
  updated timestamptz NOT NULL DEFAULT now());
COMMENT ON TABLE cairn.stores IS 'The stores that are mirrored here, and how far the log of each is';
COMMENT ON COLUMN cairn.stores.store IS 'The identity that the store was created with';
COMMENT ON COLUMN cairn.stores.log_segment IS 'All that the log says before this segment and offset is in the other tables';
COMMENT ON COLUMN cairn.stores.log_offset IS 'See log_segment';
COMMENT ON COLUMN cairn.stores.mark IS 'Tells the log up to there from that of another copy of the store: 64 bits without a sign, as a number with one';
COMMENT ON COLUMN cairn.stores.store_time_ns IS 'How long the store has been in use: expires_store_ns is of this clock';
COMMENT ON COLUMN cairn.stores.updated IS 'When the last batch was written, by the clock of the database';

CREATE TABLE cairn.experiments (
  store uuid NOT NULL REFERENCES cairn.stores ON DELETE CASCADE,
  name text NOT NULL,
  number bigint NOT NULL,
  status text NOT NULL,
  config text NOT NULL,
  config_json jsonb,
  search_space text NOT NULL,
  search_space_json jsonb,
  optimizer text NOT NULL,
  created_ns bigint NOT NULL,
  updated_ns bigint NOT NULL,
  completed_ns bigint,
  PRIMARY KEY (store, name));
CREATE INDEX experiments_by_number ON cairn.experiments (store, number);
CREATE INDEX experiments_by_status ON cairn.experiments (status, store);
COMMENT ON TABLE cairn.experiments IS 'Experiments; one that is removed takes its evaluations with it';
COMMENT ON COLUMN cairn.experiments.store IS 'Whose it is';
COMMENT ON COLUMN cairn.experiments.name IS 'Of the experiment; escaped';
COMMENT ON COLUMN cairn.experiments.number IS 'By which its evaluations name it; never given again in a store';
COMMENT ON COLUMN cairn.experiments.status IS 'running, completed, failed or removing';
COMMENT ON COLUMN cairn.experiments.config IS 'As it was given; escaped';
COMMENT ON COLUMN cairn.experiments.config_json IS 'The same, where jsonb can hold it';
COMMENT ON COLUMN cairn.experiments.search_space IS 'As it was given; escaped';
COMMENT ON COLUMN cairn.experiments.search_space_json IS 'The same, where jsonb can hold it';
COMMENT ON COLUMN cairn.experiments.optimizer IS 'Any text; escaped';
COMMENT ON COLUMN cairn.experiments.created_ns IS 'When it was created';
COMMENT ON COLUMN cairn.experiments.updated_ns IS 'When its status was set';
COMMENT ON COLUMN cairn.experiments.completed_ns IS 'When it was completed or failed';

CREATE TABLE cairn.experiment_progress (
  store uuid NOT NULL REFERENCES cairn.stores ON DELETE CASCADE,
  number bigint NOT NULL,
  updated_ns bigint NOT NULL,
  heartbeat_store_ns bigint NOT NULL,
  evaluations bigint NOT NULL,
  not_a_number bigint NOT NULL,
  infinite bigint NOT NULL,
  min_fitness float8 NOT NULL,
  max_fitness float8 NOT NULL,
  mean_fitness float8 NOT NULL,
  squares float8 NOT NULL,
  PRIMARY KEY (store, number));
COMMENT ON TABLE cairn.experiment_progress IS 'What the store has summed up of each experiment''s evaluations';
COMMENT ON COLUMN cairn.experiment_progress.store IS 'Whose it is';
COMMENT ON COLUMN cairn.experiment_progress.number IS 'Of the experiment';
COMMENT ON COLUMN cairn.experiment_progress.updated_ns IS 'When the last evaluation was recorded';
COMMENT ON COLUMN cairn.experiment_progress.heartbeat_store_ns IS 'When it last gave a sign of life, in the store''s time';
COMMENT ON COLUMN cairn.experiment_progress.evaluations IS 'How many there are';
COMMENT ON COLUMN cairn.experiment_progress.not_a_number IS 'How many of them have a fitness that is no number';
COMMENT ON COLUMN cairn.experiment_progress.infinite IS 'How many of them have an infinite fitness';
COMMENT ON COLUMN cairn.experiment_progress.min_fitness IS 'The lowest; 0 without any';
COMMENT ON COLUMN cairn.experiment_progress.max_fitness IS 'The highest; 0 without any';
COMMENT ON COLUMN cairn.experiment_progress.mean_fitness IS 'Of finite ones';
COMMENT ON COLUMN cairn.experiment_progress.squares IS 'The sum of the squares of finite ones'' distances from their mean';

CREATE TABLE cairn.evaluations (
  store uuid NOT NULL REFERENCES cairn.stores ON DELETE CASCADE,
  experiment bigint NOT NULL,
  architecture_hash text NOT NULL,
  fitness float8 NOT NULL,
  generation bigint NOT NULL,
  worker text NOT NULL,
  duration_seconds float8 NOT NULL,
  recorded_ns bigint NOT NULL,
  metrics jsonb NOT NULL,
  architecture text NOT NULL,
  architecture_json jsonb,
  PRIMARY KEY (store, experiment, architecture_hash));
CREATE INDEX evaluations_by_fitness ON cairn.evaluations (fitness DESC) WHERE fitness <> 'NaN';
CREATE INDEX evaluations_of_experiment_by_fitness ON cairn.evaluations (store, experiment, fitness DESC);
CREATE INDEX evaluations_by_generation ON cairn.evaluations (store, experiment, generation, fitness DESC);
CREATE INDEX evaluations_by_worker ON cairn.evaluations (store, experiment, worker) WHERE worker <> '';
CREATE INDEX evaluations_by_architecture ON cairn.evaluations (architecture_hash);
COMMENT ON TABLE cairn.evaluations IS 'Evaluations, once for each experiment and architecture';
COMMENT ON COLUMN cairn.evaluations.store IS 'Whose it is';
COMMENT ON COLUMN cairn.evaluations.experiment IS 'The experiment''s number';
COMMENT ON COLUMN cairn.evaluations.architecture_hash IS 'By which the architecture is known; escaped';
COMMENT ON COLUMN cairn.evaluations.fitness IS 'May be NaN or infinite; NaN sorts above all';
COMMENT ON COLUMN cairn.evaluations.generation IS 'Of the search';
COMMENT ON COLUMN cairn.evaluations.worker IS 'Who did it; empty: not said; escaped';
COMMENT ON COLUMN cairn.evaluations.duration_seconds IS 'That it took';
COMMENT ON COLUMN cairn.evaluations.recorded_ns IS 'When it was recorded';
COMMENT ON COLUMN cairn.evaluations.metrics IS 'Numbers by name; what JSON has no number for is a text that float8 reads: (metrics->>''loss'')::float8';
COMMENT ON COLUMN cairn.evaluations.architecture IS 'JSON as the store has it, or empty; escaped';
COMMENT ON COLUMN cairn.evaluations.architecture_json IS 'The same, where jsonb can hold it';
)sql";

constexpr std::string_view kResults1 = R"sql(
CREATE TABLE cairn.results (
  store uuid NOT NULL REFERENCES cairn.stores ON DELETE CASCADE,
  id bytea NOT NULL,
  namespace text NOT NULL,
  key text NOT NULL,
  version bigint NOT NULL,
  serializer text NOT NULL,
  bytes bytea NOT NULL,
  json jsonb,
  dtype text,
  shape bigint[],
  experiment text NOT NULL,
  created_ns bigint NOT NULL,
  expires_store_ns bigint,
  cost_ns bigint,
  eviction_clock float8,
  PRIMARY KEY (id, store));
CREATE INDEX results_by_key ON cairn.results USING hash (key);
CREATE INDEX results_of_store ON cairn.results (store);
CREATE INDEX results_by_experiment ON cairn.results USING hash (experiment) WHERE experiment <> '';
COMMENT ON TABLE cairn.results IS 'Results: small values under keys';
COMMENT ON COLUMN cairn.results.store IS 'Whose it is';
COMMENT ON COLUMN cairn.results.id IS 'Made of namespace and key, which are too long for an index: sha256 of the key of the store''s entry';
COMMENT ON COLUMN cairn.results.namespace IS 'In which the key counts; escaped';
COMMENT ON COLUMN cairn.results.key IS 'Any bytes, escaped';
COMMENT ON COLUMN cairn.results.version IS 'Of the entry in the store; higher with each put';
COMMENT ON COLUMN cairn.results.serializer IS 'How the bytes are to be read; escaped';
COMMENT ON COLUMN cairn.results.bytes IS 'The value';
COMMENT ON COLUMN cairn.results.json IS 'The same, of the serializer json, where jsonb can hold it';
COMMENT ON COLUMN cairn.results.dtype IS 'Of a tensor';
COMMENT ON COLUMN cairn.results.shape IS 'Of a tensor, which is row-major';
COMMENT ON COLUMN cairn.results.experiment IS 'To which it belongs; empty: none; escaped';
COMMENT ON COLUMN cairn.results.created_ns IS 'When it was put';
COMMENT ON COLUMN cairn.results.expires_store_ns IS 'From which time of its store on it is gone (stores.store_time_ns); null: it stays';
COMMENT ON COLUMN cairn.results.cost_ns IS 'The time that computing it took; null: it is never evicted';
COMMENT ON COLUMN cairn.results.eviction_clock IS 'The clock of evictions when it was put; of one that has a cost';

CREATE TABLE cairn.metrics (
  store uuid NOT NULL REFERENCES cairn.stores ON DELETE CASCADE,
  id bytea NOT NULL,
  part bigint NOT NULL,
  run text NOT NULL,
  block bigint NOT NULL,
  series text NOT NULL,
  kind text NOT NULL,
  points bigint NOT NULL,
  min_step bigint NOT NULL,
  max_step bigint NOT NULL,
  steps bigint[] NOT NULL,
  times_ns bigint[] NOT NULL,
  reals float8[],
  integers bigint[],
  texts text[],
  PRIMARY KEY (store, id, part));
CREATE INDEX metrics_by_run ON cairn.metrics USING hash (run);
COMMENT ON TABLE cairn.metrics IS 'Stretches of metrics: one series of one block of a run; cairn.metric_points has them point by point';
COMMENT ON COLUMN cairn.metrics.store IS 'Whose it is';
COMMENT ON COLUMN cairn.metrics.id IS 'Of the block, whose rows are replaced together: sha256 of the key of the store''s entry';
COMMENT ON COLUMN cairn.metrics.part IS 'Counts the rows of a block';
COMMENT ON COLUMN cairn.metrics.run IS 'The run''s name; escaped';
COMMENT ON COLUMN cairn.metrics.block IS 'The block''s number in its run';
COMMENT ON COLUMN cairn.metrics.series IS 'The series'' name; escaped';
COMMENT ON COLUMN cairn.metrics.kind IS 'real, integer or text: which of the arrays there is';
COMMENT ON COLUMN cairn.metrics.points IS 'How many there are';
COMMENT ON COLUMN cairn.metrics.min_step IS 'The lowest of the steps';
COMMENT ON COLUMN cairn.metrics.max_step IS 'The highest of the steps';
COMMENT ON COLUMN cairn.metrics.steps IS 'Of each point, in the order in which they were logged';
COMMENT ON COLUMN cairn.metrics.times_ns IS 'Of each point';
COMMENT ON COLUMN cairn.metrics.reals IS 'The values of kind real; may be NaN or infinite';
COMMENT ON COLUMN cairn.metrics.integers IS 'The values of kind integer';
COMMENT ON COLUMN cairn.metrics.texts IS 'The values of kind text; escaped';
)sql";

constexpr std::string_view kCatalogue1 = R"sql(
CREATE TABLE cairn.snapshots (
  store uuid NOT NULL REFERENCES cairn.stores ON DELETE CASCADE,
  id bytea NOT NULL,
  tree bytea NOT NULL,
  parent bytea,
  created_ns bigint NOT NULL,
  logical_bytes bigint NOT NULL,
  files bigint NOT NULL,
  tensors bigint NOT NULL,
  metadata jsonb NOT NULL,
  PRIMARY KEY (store, id));
COMMENT ON TABLE cairn.snapshots IS 'What names lead to; one that no name leads to any more is removed, with its files';
COMMENT ON COLUMN cairn.snapshots.store IS 'Whose it is';
COMMENT ON COLUMN cairn.snapshots.id IS 'Of the snapshot';
COMMENT ON COLUMN cairn.snapshots.tree IS 'The id of its tree of files';
COMMENT ON COLUMN cairn.snapshots.parent IS 'The snapshot before, which need not be here any more';
COMMENT ON COLUMN cairn.snapshots.created_ns IS 'When it was made';
COMMENT ON COLUMN cairn.snapshots.logical_bytes IS 'Of all its files';
COMMENT ON COLUMN cairn.snapshots.files IS 'How many it has';
COMMENT ON COLUMN cairn.snapshots.tensors IS 'How many they have';
COMMENT ON COLUMN cairn.snapshots.metadata IS 'Texts by name; escaped';

CREATE TABLE cairn.files (
  store uuid NOT NULL,
  snapshot bytea NOT NULL,
  part bigint NOT NULL,
  path text NOT NULL,
  kind text NOT NULL,
  bytes bigint NOT NULL,
  id bytea NOT NULL,
  is_model boolean NOT NULL,
  note text NOT NULL,
  PRIMARY KEY (store, snapshot, part),
  FOREIGN KEY (store, snapshot) REFERENCES cairn.snapshots ON DELETE CASCADE);
CREATE INDEX files_by_id ON cairn.files (id);
COMMENT ON TABLE cairn.files IS 'The files of snapshots; a checkpoint is one of kind state';
COMMENT ON COLUMN cairn.files.store IS 'Whose it is';
COMMENT ON COLUMN cairn.files.snapshot IS 'In which it is';
COMMENT ON COLUMN cairn.files.part IS 'Counts the files of a snapshot, by path';
COMMENT ON COLUMN cairn.files.path IS 'Relative; escaped';
COMMENT ON COLUMN cairn.files.kind IS 'file, directory, symlink or state';
COMMENT ON COLUMN cairn.files.bytes IS 'Of a file or state';
COMMENT ON COLUMN cairn.files.id IS 'Of its content, and of the model that cairn.tensors names';
COMMENT ON COLUMN cairn.files.is_model IS 'Whether its tensors are known';
COMMENT ON COLUMN cairn.files.note IS 'Why they are not; escaped';

CREATE TABLE cairn.refs (
  store uuid NOT NULL REFERENCES cairn.stores ON DELETE CASCADE,
  name text NOT NULL,
  version bigint NOT NULL,
  snapshot bytea NOT NULL,
  created_ns bigint NOT NULL,
  logical_bytes bigint NOT NULL,
  tags jsonb NOT NULL,
  PRIMARY KEY (store, name, version));
CREATE INDEX refs_by_snapshot ON cairn.refs (store, snapshot);
COMMENT ON TABLE cairn.refs IS 'Names and their versions';
COMMENT ON COLUMN cairn.refs.store IS 'Whose it is';
COMMENT ON COLUMN cairn.refs.name IS 'Checkpoints are below checkpoints/; escaped';
COMMENT ON COLUMN cairn.refs.version IS 'Of the name; of a checkpoint, its step';
COMMENT ON COLUMN cairn.refs.snapshot IS 'To which it leads';
COMMENT ON COLUMN cairn.refs.created_ns IS 'When it was named';
COMMENT ON COLUMN cairn.refs.logical_bytes IS 'Of the snapshot';
COMMENT ON COLUMN cairn.refs.tags IS 'Texts by name; escaped';

CREATE TABLE cairn.tensors (
  store uuid NOT NULL REFERENCES cairn.stores ON DELETE CASCADE,
  model bytea NOT NULL,
  part bigint NOT NULL,
  name text NOT NULL,
  id bytea NOT NULL,
  dtype text,
  shape bigint[],
  bytes bigint NOT NULL,
  PRIMARY KEY (store, model, part));
CREATE INDEX tensors_by_id ON cairn.tensors (id);
COMMENT ON TABLE cairn.tensors IS 'The tensors of models and states';
COMMENT ON COLUMN cairn.tensors.store IS 'Whose it is';
COMMENT ON COLUMN cairn.tensors.model IS 'The id of the file or state that has it (files.id)';
COMMENT ON COLUMN cairn.tensors.part IS 'Counts the tensors of a model';
COMMENT ON COLUMN cairn.tensors.name IS 'Any bytes, escaped';
COMMENT ON COLUMN cairn.tensors.id IS 'Equal for equal tensors, in all stores with the same digest';
COMMENT ON COLUMN cairn.tensors.dtype IS 'Null: a part of a state that is no tensor';
COMMENT ON COLUMN cairn.tensors.shape IS 'Null: a part of a state that is no tensor';
COMMENT ON COLUMN cairn.tensors.bytes IS 'Of the tensor';

CREATE TABLE cairn.left_out (
  store uuid NOT NULL REFERENCES cairn.stores ON DELETE CASCADE,
  id bytea NOT NULL,
  kind bigint NOT NULL,
  key bytea NOT NULL,
  why text NOT NULL,
  PRIMARY KEY (store, id));
COMMENT ON TABLE cairn.left_out IS 'What stores say and could not be mirrored yet: it is tried again with each push';
COMMENT ON COLUMN cairn.left_out.store IS 'Whose it is';
COMMENT ON COLUMN cairn.left_out.id IS 'Made of kind and key, which are too long for an index: sha256 of both';
COMMENT ON COLUMN cairn.left_out.kind IS 'Of the statement: 7 a ref, 12 an entry';
COMMENT ON COLUMN cairn.left_out.key IS 'Of the statement, as the store''s log has it';
COMMENT ON COLUMN cairn.left_out.why IS 'What is wrong with it; escaped';

CREATE VIEW cairn.best_evaluations AS
  SELECT e.store, x.name AS experiment, e.architecture_hash, e.fitness, e.generation, e.worker, e.metrics,
         e.duration_seconds, to_timestamp(e.recorded_ns / 1e9::float8) AS recorded, e.architecture_json
  FROM cairn.evaluations e JOIN cairn.experiments x ON x.store = e.store AND x.number = e.experiment
  WHERE e.fitness <> 'NaN' ORDER BY e.fitness DESC;
COMMENT ON VIEW cairn.best_evaluations IS 'Evaluations of all stores, those of the highest fitness first; best read with a LIMIT';

CREATE VIEW cairn.experiment_overview AS
  SELECT x.store, x.name, x.status, x.optimizer, coalesce(p.evaluations, 0) AS evaluations,
         CASE WHEN p.evaluations > p.not_a_number THEN p.max_fitness END AS best_fitness,
         to_timestamp(x.created_ns / 1e9::float8) AS created,
         to_timestamp(greatest(x.updated_ns, p.updated_ns) / 1e9::float8) AS updated,
         to_timestamp(x.completed_ns / 1e9::float8) AS completed, x.config_json, x.search_space_json
  FROM cairn.experiments x LEFT JOIN cairn.experiment_progress p ON p.store = x.store AND p.number = x.number;
COMMENT ON VIEW cairn.experiment_overview IS 'Experiments of all stores, with how far they are';

CREATE VIEW cairn.latest_checkpoints AS
  SELECT DISTINCT ON (r.store, r.name) r.store, substr(r.name, 13) AS checkpoint, r.version AS step, r.logical_bytes,
         to_timestamp(r.created_ns / 1e9::float8) AS created, r.tags, r.snapshot
  FROM cairn.refs r WHERE starts_with(r.name, 'checkpoints/') ORDER BY r.store, r.name, r.version DESC;
COMMENT ON VIEW cairn.latest_checkpoints IS 'Of each store and name of checkpoints, the one of the highest step';

CREATE VIEW cairn.metric_points AS
  SELECT m.store, m.run, m.series, p.step, p.time_ns, to_timestamp(p.time_ns / 1e9::float8) AS time,
         coalesce(p.real, p.whole::float8) AS value, p.whole, p.label
  FROM cairn.metrics m, unnest(m.steps, m.times_ns, m.reals, m.integers, m.texts) AS p(step, time_ns, real, whole, label);
COMMENT ON VIEW cairn.metric_points IS 'Metrics point by point: a number as value, an integer in full as whole, a text as label';

CREATE VIEW cairn.runs AS
  SELECT store, run, count(DISTINCT series) AS series, sum(points) AS points, min(min_step) AS min_step,
         max(max_step) AS max_step
  FROM cairn.metrics GROUP BY store, run;
COMMENT ON VIEW cairn.runs IS 'The runs that have logged metrics';

CREATE VIEW cairn.tensor_locations AS
  SELECT t.id, t.store, r.name AS ref, r.version, f.path, t.name AS tensor, t.dtype, t.shape, t.bytes
  FROM cairn.tensors t JOIN cairn.files f ON f.store = t.store AND f.id = t.model
  JOIN cairn.refs r ON r.store = f.store AND r.snapshot = f.snapshot;
COMMENT ON VIEW cairn.tensor_locations IS 'Which models of which stores contain a tensor';
)sql";

constexpr std::string_view kScripts1[] = {kTables1, kResults1, kCatalogue1};
constexpr SchemaObject kObjects1[] = {
    {"best_evaluations", "b4bc93ff3173b75f"},
    {"evaluations", "9e4977f06e7d6410"},
    {"evaluations_by_architecture", "a2d7a255e214a131"},
    {"evaluations_by_fitness", "385c1cfae3c47415"},
    {"evaluations_by_generation", "3c3f476d0569e70b"},
    {"evaluations_by_worker", "8a3660623a424824"},
    {"evaluations_of_experiment_by_fitness", "d4d66a38ef3a6cf7"},
    {"evaluations_pkey", "94981067bc7fcca5"},
    {"experiment_overview", "1c7ecd34bea83de5"},
    {"experiment_progress", "19c515246ce7e48c"},
    {"experiment_progress_pkey", "fdd395dc88c18d80"},
    {"experiments", "a5802a2113c856a0"},
    {"experiments_by_number", "0d4e736024018b13"},
    {"experiments_by_status", "3fa5b05269b64751"},
    {"experiments_pkey", "ae0a900b5e1e1dd8"},
    {"files", "ca0d6071c415cc57"},
    {"files_by_id", "a9b9da6a0fb4b3b8"},
    {"files_pkey", "95268884ae3da025"},
    {"latest_checkpoints", "3d44985510ad9a56"},
    {"left_out", "a1165ded35e11097"},
    {"left_out_pkey", "4931333d1a268694"},
    {"metric_points", "093df7b167448b68"},
    {"metrics", "22e017ca698ca39c"},
    {"metrics_by_run", "bd55916f22c4e66d"},
    {"metrics_pkey", "a4a4e57963a29b09"},
    {"refs", "3e72cbecb86947de"},
    {"refs_by_snapshot", "0e28b2a88c7055bf"},
    {"refs_pkey", "f990a0061eb2c10c"},
    {"results", "293f7728be590ccd"},
    {"results_by_experiment", "793392a6d9110ab3"},
    {"results_by_key", "da270709277b0683"},
    {"results_of_store", "9a26699283b36558"},
    {"results_pkey", "84e61f630752388d"},
    {"runs", "893186737d1965ce"},
    {"schema_versions", "3cc3b4268c749a93"},
    {"schema_versions_pkey", "f30fcf5b68a27c71"},
    {"snapshots", "7fa43bf8560d7a3f"},
    {"snapshots_pkey", "4b9d2199dc460362"},
    {"stores", "5319f2fc0134f9e8"},
    {"stores_pkey", "764c60bde434630a"},
    {"tensor_locations", "e52a4a52e762aaf3"},
    {"tensors", "a59c74d6637f0a78"},
    {"tensors_by_id", "d87016104531fcd6"},
    {"tensors_pkey", "db8d1a20d2958c7d"},
};

constexpr Migration kMigrations[] = {{kScripts1, kObjects1}};

}  // namespace

std::span<const Migration> migrations() { return kMigrations; }

}  // namespace cairn::postgres
