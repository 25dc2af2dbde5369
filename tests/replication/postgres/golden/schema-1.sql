SET statement_timeout = 0;
SET lock_timeout = 0;
SET idle_in_transaction_session_timeout = 0;
SET client_encoding = 'UTF8';
SET standard_conforming_strings = on;
SELECT pg_catalog.set_config('search_path', '', false);
SET check_function_bodies = false;
SET xmloption = content;
SET client_min_messages = warning;
SET row_security = off;
CREATE SCHEMA cairn;
COMMENT ON SCHEMA cairn IS 'What Cairn stores say, mirrored as rows';
SET default_tablespace = '';
SET default_table_access_method = heap;
CREATE TABLE cairn.evaluations (
    store uuid NOT NULL,
    experiment bigint NOT NULL,
    architecture_hash text NOT NULL,
    fitness double precision NOT NULL,
    generation bigint NOT NULL,
    worker text NOT NULL,
    duration_seconds double precision NOT NULL,
    recorded_ns bigint NOT NULL,
    metrics jsonb NOT NULL,
    architecture text NOT NULL,
    architecture_json jsonb
);
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
CREATE TABLE cairn.experiments (
    store uuid NOT NULL,
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
    completed_ns bigint
);
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
CREATE VIEW cairn.best_evaluations AS
 SELECT e.store,
    x.name AS experiment,
    e.architecture_hash,
    e.fitness,
    e.generation,
    e.worker,
    e.metrics,
    e.duration_seconds,
    to_timestamp(((e.recorded_ns)::double precision / ('1000000000'::numeric)::double precision)) AS recorded,
    e.architecture_json
   FROM (cairn.evaluations e
     JOIN cairn.experiments x ON (((x.store = e.store) AND (x.number = e.experiment))))
  WHERE (e.fitness <> 'NaN'::double precision)
  ORDER BY e.fitness DESC;
COMMENT ON VIEW cairn.best_evaluations IS 'Evaluations of all stores, those of the highest fitness first; best read with a LIMIT';
CREATE TABLE cairn.experiment_progress (
    store uuid NOT NULL,
    number bigint NOT NULL,
    updated_ns bigint NOT NULL,
    heartbeat_store_ns bigint NOT NULL,
    evaluations bigint NOT NULL,
    not_a_number bigint NOT NULL,
    infinite bigint NOT NULL,
    min_fitness double precision NOT NULL,
    max_fitness double precision NOT NULL,
    mean_fitness double precision NOT NULL,
    squares double precision NOT NULL
);
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
CREATE VIEW cairn.experiment_overview AS
 SELECT x.store,
    x.name,
    x.status,
    x.optimizer,
    COALESCE(p.evaluations, (0)::bigint) AS evaluations,
        CASE
            WHEN (p.evaluations > p.not_a_number) THEN p.max_fitness
            ELSE NULL::double precision
        END AS best_fitness,
    to_timestamp(((x.created_ns)::double precision / ('1000000000'::numeric)::double precision)) AS created,
    to_timestamp(((GREATEST(x.updated_ns, p.updated_ns))::double precision / ('1000000000'::numeric)::double precision)) AS updated,
    to_timestamp(((x.completed_ns)::double precision / ('1000000000'::numeric)::double precision)) AS completed,
    x.config_json,
    x.search_space_json
   FROM (cairn.experiments x
     LEFT JOIN cairn.experiment_progress p ON (((p.store = x.store) AND (p.number = x.number))));
COMMENT ON VIEW cairn.experiment_overview IS 'Experiments of all stores, with how far they are';
CREATE TABLE cairn.files (
    store uuid NOT NULL,
    snapshot bytea NOT NULL,
    part bigint NOT NULL,
    path text NOT NULL,
    kind text NOT NULL,
    bytes bigint NOT NULL,
    id bytea NOT NULL,
    is_model boolean NOT NULL,
    note text NOT NULL
);
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
    store uuid NOT NULL,
    name text NOT NULL,
    version bigint NOT NULL,
    snapshot bytea NOT NULL,
    created_ns bigint NOT NULL,
    logical_bytes bigint NOT NULL,
    tags jsonb NOT NULL
);
COMMENT ON TABLE cairn.refs IS 'Names and their versions';
COMMENT ON COLUMN cairn.refs.store IS 'Whose it is';
COMMENT ON COLUMN cairn.refs.name IS 'Checkpoints are below checkpoints/; escaped';
COMMENT ON COLUMN cairn.refs.version IS 'Of the name; of a checkpoint, its step';
COMMENT ON COLUMN cairn.refs.snapshot IS 'To which it leads';
COMMENT ON COLUMN cairn.refs.created_ns IS 'When it was named';
COMMENT ON COLUMN cairn.refs.logical_bytes IS 'Of the snapshot';
COMMENT ON COLUMN cairn.refs.tags IS 'Texts by name; escaped';
CREATE VIEW cairn.latest_checkpoints AS
 SELECT DISTINCT ON (r.store, r.name) r.store,
    substr(r.name, 13) AS checkpoint,
    r.version AS step,
    r.logical_bytes,
    to_timestamp(((r.created_ns)::double precision / ('1000000000'::numeric)::double precision)) AS created,
    r.tags,
    r.snapshot
   FROM cairn.refs r
  WHERE starts_with(r.name, 'checkpoints/'::text)
  ORDER BY r.store, r.name, r.version DESC;
COMMENT ON VIEW cairn.latest_checkpoints IS 'Of each store and name of checkpoints, the one of the highest step';
CREATE TABLE cairn.left_out (
    store uuid NOT NULL,
    id bytea NOT NULL,
    kind bigint NOT NULL,
    key bytea NOT NULL,
    why text NOT NULL
);
COMMENT ON TABLE cairn.left_out IS 'What stores say and could not be mirrored yet: it is tried again with each push';
COMMENT ON COLUMN cairn.left_out.store IS 'Whose it is';
COMMENT ON COLUMN cairn.left_out.id IS 'Made of kind and key, which are too long for an index: sha256 of both';
COMMENT ON COLUMN cairn.left_out.kind IS 'Of the statement: 7 a ref, 12 an entry';
COMMENT ON COLUMN cairn.left_out.key IS 'Of the statement, as the store''s log has it';
COMMENT ON COLUMN cairn.left_out.why IS 'What is wrong with it; escaped';
CREATE TABLE cairn.metrics (
    store uuid NOT NULL,
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
    reals double precision[],
    integers bigint[],
    texts text[]
);
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
CREATE VIEW cairn.metric_points AS
 SELECT m.store,
    m.run,
    m.series,
    p.step,
    p.time_ns,
    to_timestamp(((p.time_ns)::double precision / ('1000000000'::numeric)::double precision)) AS "time",
    COALESCE(p."real", (p.whole)::double precision) AS value,
    p.whole,
    p.label
   FROM cairn.metrics m,
    LATERAL UNNEST(m.steps, m.times_ns, m.reals, m.integers, m.texts) p(step, time_ns, "real", whole, label);
COMMENT ON VIEW cairn.metric_points IS 'Metrics point by point: a number as value, an integer in full as whole, a text as label';
CREATE TABLE cairn.results (
    store uuid NOT NULL,
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
    eviction_clock double precision
);
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
CREATE VIEW cairn.runs AS
 SELECT metrics.store,
    metrics.run,
    count(DISTINCT metrics.series) AS series,
    sum(metrics.points) AS points,
    min(metrics.min_step) AS min_step,
    max(metrics.max_step) AS max_step
   FROM cairn.metrics
  GROUP BY metrics.store, metrics.run;
COMMENT ON VIEW cairn.runs IS 'The runs that have logged metrics';
CREATE TABLE cairn.schema_versions (
    version bigint NOT NULL,
    made timestamp with time zone DEFAULT now() NOT NULL
);
COMMENT ON TABLE cairn.schema_versions IS 'The versions of this schema, the highest of which it has';
COMMENT ON COLUMN cairn.schema_versions.version IS 'Counted from 1';
COMMENT ON COLUMN cairn.schema_versions.made IS 'When the schema became of this version';
CREATE TABLE cairn.snapshots (
    store uuid NOT NULL,
    id bytea NOT NULL,
    tree bytea NOT NULL,
    parent bytea,
    created_ns bigint NOT NULL,
    logical_bytes bigint NOT NULL,
    files bigint NOT NULL,
    tensors bigint NOT NULL,
    metadata jsonb NOT NULL
);
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
CREATE TABLE cairn.stores (
    store uuid NOT NULL,
    log_segment bigint DEFAULT 0 NOT NULL,
    log_offset bigint DEFAULT 0 NOT NULL,
    mark bigint,
    store_time_ns bigint,
    updated timestamp with time zone DEFAULT now() NOT NULL
);
COMMENT ON TABLE cairn.stores IS 'The stores that are mirrored here, and how far the log of each is';
COMMENT ON COLUMN cairn.stores.store IS 'The identity that the store was created with';
COMMENT ON COLUMN cairn.stores.log_segment IS 'All that the log says before this segment and offset is in the other tables';
COMMENT ON COLUMN cairn.stores.log_offset IS 'See log_segment';
COMMENT ON COLUMN cairn.stores.mark IS 'Tells the log up to there from that of another copy of the store: 64 bits without a sign, as a number with one';
COMMENT ON COLUMN cairn.stores.store_time_ns IS 'How long the store has been in use: expires_store_ns is of this clock';
COMMENT ON COLUMN cairn.stores.updated IS 'When the last batch was written, by the clock of the database';
CREATE TABLE cairn.tensors (
    store uuid NOT NULL,
    model bytea NOT NULL,
    part bigint NOT NULL,
    name text NOT NULL,
    id bytea NOT NULL,
    dtype text,
    shape bigint[],
    bytes bigint NOT NULL
);
COMMENT ON TABLE cairn.tensors IS 'The tensors of models and states';
COMMENT ON COLUMN cairn.tensors.store IS 'Whose it is';
COMMENT ON COLUMN cairn.tensors.model IS 'The id of the file or state that has it (files.id)';
COMMENT ON COLUMN cairn.tensors.part IS 'Counts the tensors of a model';
COMMENT ON COLUMN cairn.tensors.name IS 'Any bytes, escaped';
COMMENT ON COLUMN cairn.tensors.id IS 'Equal for equal tensors, in all stores with the same digest';
COMMENT ON COLUMN cairn.tensors.dtype IS 'Null: a part of a state that is no tensor';
COMMENT ON COLUMN cairn.tensors.shape IS 'Null: a part of a state that is no tensor';
COMMENT ON COLUMN cairn.tensors.bytes IS 'Of the tensor';
CREATE VIEW cairn.tensor_locations AS
 SELECT t.id,
    t.store,
    r.name AS ref,
    r.version,
    f.path,
    t.name AS tensor,
    t.dtype,
    t.shape,
    t.bytes
   FROM ((cairn.tensors t
     JOIN cairn.files f ON (((f.store = t.store) AND (f.id = t.model))))
     JOIN cairn.refs r ON (((r.store = f.store) AND (r.snapshot = f.snapshot))));
COMMENT ON VIEW cairn.tensor_locations IS 'Which models of which stores contain a tensor';
COPY cairn.evaluations (store, experiment, architecture_hash, fitness, generation, worker, duration_seconds, recorded_ns, metrics, architecture, architecture_json) FROM stdin;
5e000000-0000-0000-0000-000000000001	1	blake3:1	0.5	0	worker-1	1.5	1700000000000000002	{"loss": 0.5}	{"layers":[1]}	{"layers": [1]}
5e000000-0000-0000-0000-000000000001	1	blake3:3	NaN	0	worker-3	1.5	1700000000000000004	{}	{"layers":[3]}	{"layers": [3]}
5e000000-0000-0000-0000-000000000001	1	blake3:4	Infinity	0	worker-4	1.5	1700000000000000005	{"loss": 0.2}	{"layers":[4]}	{"layers": [4]}
5e000000-0000-0000-0000-000000000001	1	blake3:5	-0	0	worker-5	1.5	1700000000000000006	{"loss": 0.16666666666666666}	{"layers":[5]}	{"layers": [5]}
5e000000-0000-0000-0000-000000000001	1	\\000\\377\\\\ü\n	-Infinity	0		1.5	1700000000000000003	{"": "-Infinity", "-0": "-0", "most": 179769313486231570000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000, "\\\\000\\\\377\\\\\\\\ü\\n\\u0001": "Infinity"}		\N
\.
COPY cairn.experiment_progress (store, number, updated_ns, heartbeat_store_ns, evaluations, not_a_number, infinite, min_fitness, max_fitness, mean_fitness, squares) FROM stdin;
5e000000-0000-0000-0000-000000000001	1	5	9223372036854775807	3	1	1	-Infinity	Infinity	-0	5e-324
\.
COPY cairn.experiments (store, name, number, status, config, config_json, search_space, search_space_json, optimizer, created_ns, updated_ns, completed_ns) FROM stdin;
5e000000-0000-0000-0000-000000000001	plain	1	running	{"lr": 0.10, "lr": 1}	{"lr": 1}		\N	adam	1	-1	\N
5e000000-0000-0000-0000-000000000001	\\000\\377\\\\ü\n	9223372036854775807	completed	["\\\\u0000"]	\N	{"ü": "\\\\ud83d\\\\ude00"}	{"ü": "😀"}	\\000\\377\\\\ü\n	-9223372036854775808	9223372036854775807	0
\.
COPY cairn.files (store, snapshot, part, path, kind, bytes, id, is_model, note) FROM stdin;
901d0000-0000-0000-0000-000000000000	\\x04ee4f19ae8470399729eb2d8356ec5878de1557e45dbe1217d76b5d043071e6	0	m.safetensors	file	72210	\\xe478dee7a014e2206a2d16cd0eec943bba4ec31276bfedf7462a4b979cfef00b	t	
901d0000-0000-0000-0000-000000000000	\\x37866f5a9004c78e5d7c78e250418f83ec3ee4f30fe92584113d689b7cd1a5e1	0	m.safetensors	file	30140	\\xa5fbcda27aba9641f12fa926b27308bc08bda678a79d96a3812a427a2aebc682	t	
901d0000-0000-0000-0000-000000000000	\\x37866f5a9004c78e5d7c78e250418f83ec3ee4f30fe92584113d689b7cd1a5e1	1	note.txt	file	30000	\\x8b9907aa623d2788242b56e66e52b1a66b615c0f01a588050e4a94500c9f1fb0	f	
901d0000-0000-0000-0000-000000000000	\\x64198e8e3bd7125e4fc5e36ceef242c25e87393c9ae826949c94405053bd0a75	0	opaque.bin	file	30004	\\x9fcdadd3b557ade0a4280ca4252d414299162b5ce28dbdf2338d1f8402621c0a	f	
901d0000-0000-0000-0000-000000000000	\\x64198e8e3bd7125e4fc5e36ceef242c25e87393c9ae826949c94405053bd0a75	1	text	file	30000	\\x0967ad16c3b7c23c3a19018ffabd6b631fc323b652e17e91072a0a15416a9f10	f	
901d0000-0000-0000-0000-000000000000	\\xd2f976c159a92b0259f03b933ff1f305dec78432fb3cc5f147f3a224aeebed3c	0	empty	file	0	\\xaf1349b9f5f9a1a6a0404dea36dcc9499bcb25c9adc112b7cc9a93cae41f3262	f	
901d0000-0000-0000-0000-000000000000	\\xd2f976c159a92b0259f03b933ff1f305dec78432fb3cc5f147f3a224aeebed3c	1	opaque.bin	file	30000	\\x5a40bf3fa025ac47b2099bd295e924a5a67ffae9591c33018672eb598fe8a623	f	
901d0000-0000-0000-0000-000000000000	\\xd2f976c159a92b0259f03b933ff1f305dec78432fb3cc5f147f3a224aeebed3c	2	same	file	9000	\\x87eb4c746b6b83366db8b5f7b685554afedf8a5630e5bc87d476e7d13ec0d05d	f	
5e000000-0000-0000-0000-000000000001	\\x7331	0	state	state	8	\\x6d31	t	
5e000000-0000-0000-0000-000000000001	\\x7331	1	\\000\\377\\\\ü\n	symlink	0	\\x	f	\\000\\377\\\\ü\n
\.
COPY cairn.left_out (store, id, kind, key, why) FROM stdin;
5e000000-0000-0000-0000-000000000001	\\x719e39942f476f3894f69b834785a40d8acecc699496d3666c50bc0b8c2880a4	12	\\x00ff5cc3bc0a01	a block is damaged
\.
COPY cairn.metrics (store, id, part, run, block, series, kind, points, min_step, max_step, steps, times_ns, reals, integers, texts) FROM stdin;
5e000000-0000-0000-0000-000000000001	\\xb7023462b71cbee4d77ec05caba587a2c922297f6f5183a6dae957cd0bfdcf99	0	run	1	loss	real	3	1	2	{1,2,2}	{10,20,20}	{NaN,Infinity,-0}	\N	\N
5e000000-0000-0000-0000-000000000001	\\xb7023462b71cbee4d77ec05caba587a2c922297f6f5183a6dae957cd0bfdcf99	1	run	1	epoch	integer	1	-1	-1	{-1}	{9223372036854775807}	\N	{9007199254740993}	\N
5e000000-0000-0000-0000-000000000001	\\xb7023462b71cbee4d77ec05caba587a2c922297f6f5183a6dae957cd0bfdcf99	2	run	1	\\000\\377\\\\ü\n	text	2	0	1	{0,1}	{0,0}	\N	\N	{"","\\\\000\\\\377\\\\\\\\ü\n"}
\.
COPY cairn.refs (store, name, version, snapshot, created_ns, logical_bytes, tags) FROM stdin;
901d0000-0000-0000-0000-000000000000	data	1	\\xd2f976c159a92b0259f03b933ff1f305dec78432fb3cc5f147f3a224aeebed3c	1795273105674763079	39000	{}
901d0000-0000-0000-0000-000000000000	data	2	\\x64198e8e3bd7125e4fc5e36ceef242c25e87393c9ae826949c94405053bd0a75	1795273105699940246	60004	{"reviewed": "yes"}
901d0000-0000-0000-0000-000000000000	model	1	\\x04ee4f19ae8470399729eb2d8356ec5878de1557e45dbe1217d76b5d043071e6	1795273105662396354	72210	{}
901d0000-0000-0000-0000-000000000000	model	2	\\x37866f5a9004c78e5d7c78e250418f83ec3ee4f30fe92584113d689b7cd1a5e1	1795273105698960840	60140	{}
5e000000-0000-0000-0000-000000000001	llama	1	\\x7332	2	0	{}
5e000000-0000-0000-0000-000000000001	checkpoints/run	400	\\x7331	1	10	{"metric:loss": "0.5", "\\\\000\\\\377\\\\\\\\ü\\n\\u0001": "\\\\000\\\\377\\\\\\\\ü\\n\\u0001"}
\.
COPY cairn.results (store, id, namespace, key, version, serializer, bytes, json, dtype, shape, experiment, created_ns, expires_store_ns, cost_ns, eviction_clock) FROM stdin;
5e000000-0000-0000-0000-000000000001	\\x02bd175f329720378ce83dd56a1b6b1f5291a60182d6c54b5e0d1e8d248a267a	eval	json	1	json	\\x7b226669746e657373223a20302e32352c202274657874223a2022d0bad0bbd18ed187227d	{"text": "ключ", "fitness": 0.25}	\N	\N	plain	0	1000	5	0.25
5e000000-0000-0000-0000-000000000001	\\xcf4051ef5db4ce6e38aa9e5e2bc54993328ac077a19a8db4a8beff792afed5a9		tensor	1	tensor	\\x	\N	float32	{2,0,3}		0	\N	\N	\N
5e000000-0000-0000-0000-000000000001	\\xd5053b27faca5e4a0fd601d292c2aa2577d75cd4e03e60440798afeb60615abc	\\000\\377\\\\ü\n	\\000\\377\\\\ü\n	1	json	\\x225c753030303022	\N	\N	\N	\\000\\377\\\\ü\n	0	\N	\N	\N
\.
COPY cairn.schema_versions (version, made) FROM stdin;
1	2026-11-23 14:06:13.622084+00
\.
COPY cairn.snapshots (store, id, tree, parent, created_ns, logical_bytes, files, tensors, metadata) FROM stdin;
901d0000-0000-0000-0000-000000000000	\\x04ee4f19ae8470399729eb2d8356ec5878de1557e45dbe1217d76b5d043071e6	\\x64a7ef9ea458470495ba43c3e26def4c853ef2abe989d6da2e5ade08c3391b5d	\N	1795273105662396354	72210	1	3	{}
901d0000-0000-0000-0000-000000000000	\\x37866f5a9004c78e5d7c78e250418f83ec3ee4f30fe92584113d689b7cd1a5e1	\\x6878ae68edbe8b0db05d8b0d051676629a3ecda785181ac479347122f38a9d7e	\\x04ee4f19ae8470399729eb2d8356ec5878de1557e45dbe1217d76b5d043071e6	1795273105698960840	60140	2	2	{}
901d0000-0000-0000-0000-000000000000	\\x64198e8e3bd7125e4fc5e36ceef242c25e87393c9ae826949c94405053bd0a75	\\x2b1ec0be4040d3e76faea07e239e7ed8a0d00aca0f7d898ec979010b5d7c6c39	\\xd2f976c159a92b0259f03b933ff1f305dec78432fb3cc5f147f3a224aeebed3c	1795273105699940246	60004	2	0	{}
901d0000-0000-0000-0000-000000000000	\\xd2f976c159a92b0259f03b933ff1f305dec78432fb3cc5f147f3a224aeebed3c	\\x97d097760256d01aeb32ad3666eb9fcff2bfe6ced220f6ca1ab10da481ee2e7e	\N	1795273105674763079	39000	3	0	{}
5e000000-0000-0000-0000-000000000001	\\x7331	\\x7431	\N	1	1	1	2	{"host": "\\\\000\\\\377\\\\\\\\ü\\n\\u0001"}
5e000000-0000-0000-0000-000000000001	\\x7332	\\x7432	\\x7331	2	2	2	0	{}
\.
COPY cairn.stores (store, log_segment, log_offset, mark, store_time_ns, updated) FROM stdin;
901d0000-0000-0000-0000-000000000000	3	36864	3529116820903749306	\N	2026-11-23 14:06:13.709592+00
5e000000-0000-0000-0000-000000000001	1	10	70	\N	2026-11-23 14:06:13.723488+00
\.
COPY cairn.tensors (store, model, part, name, id, dtype, shape, bytes) FROM stdin;
901d0000-0000-0000-0000-000000000000	\\xa5fbcda27aba9641f12fa926b27308bc08bda678a79d96a3812a427a2aebc682	0	b	\\x70010aae254050f31043fe936b6ee3068f3b26d8cdf3bc4ad5e0174fd9061474	bf16	{9000}	18000
901d0000-0000-0000-0000-000000000000	\\xa5fbcda27aba9641f12fa926b27308bc08bda678a79d96a3812a427a2aebc682	1	shared	\\xa32f6465c0e11bf0f79ddf5cafd648cd227bf76ffdce9d25822eab5018835692	bf16	{6000}	12000
901d0000-0000-0000-0000-000000000000	\\xe478dee7a014e2206a2d16cd0eec943bba4ec31276bfedf7462a4b979cfef00b	0	a	\\x84ca0023b0a39d3eac442c6326812f5fded9d3e7c31d302c2d213e94b8dcc322	bf16	{20000}	40000
901d0000-0000-0000-0000-000000000000	\\xe478dee7a014e2206a2d16cd0eec943bba4ec31276bfedf7462a4b979cfef00b	1	shared	\\xa32f6465c0e11bf0f79ddf5cafd648cd227bf76ffdce9d25822eab5018835692	bf16	{6000}	12000
901d0000-0000-0000-0000-000000000000	\\xe478dee7a014e2206a2d16cd0eec943bba4ec31276bfedf7462a4b979cfef00b	2	zero	\\xe784e9643d939e052fc90492fe064a2f2ab090c2898888d4887f49e21e6c5ced	bf16	{10000}	20000
5e000000-0000-0000-0000-000000000001	\\x6d31	0	w	\\x7831	bfloat16	{}	2
5e000000-0000-0000-0000-000000000001	\\x6d31	1	\\000\\377\\\\ü\n	\\x7832	\N	\N	5
\.
ALTER TABLE ONLY cairn.evaluations
    ADD CONSTRAINT evaluations_pkey PRIMARY KEY (store, experiment, architecture_hash);
ALTER TABLE ONLY cairn.experiment_progress
    ADD CONSTRAINT experiment_progress_pkey PRIMARY KEY (store, number);
ALTER TABLE ONLY cairn.experiments
    ADD CONSTRAINT experiments_pkey PRIMARY KEY (store, name);
ALTER TABLE ONLY cairn.files
    ADD CONSTRAINT files_pkey PRIMARY KEY (store, snapshot, part);
ALTER TABLE ONLY cairn.left_out
    ADD CONSTRAINT left_out_pkey PRIMARY KEY (store, id);
ALTER TABLE ONLY cairn.metrics
    ADD CONSTRAINT metrics_pkey PRIMARY KEY (store, id, part);
ALTER TABLE ONLY cairn.refs
    ADD CONSTRAINT refs_pkey PRIMARY KEY (store, name, version);
ALTER TABLE ONLY cairn.results
    ADD CONSTRAINT results_pkey PRIMARY KEY (id, store);
ALTER TABLE ONLY cairn.schema_versions
    ADD CONSTRAINT schema_versions_pkey PRIMARY KEY (version);
ALTER TABLE ONLY cairn.snapshots
    ADD CONSTRAINT snapshots_pkey PRIMARY KEY (store, id);
ALTER TABLE ONLY cairn.stores
    ADD CONSTRAINT stores_pkey PRIMARY KEY (store);
ALTER TABLE ONLY cairn.tensors
    ADD CONSTRAINT tensors_pkey PRIMARY KEY (store, model, part);
CREATE INDEX evaluations_by_architecture ON cairn.evaluations USING btree (architecture_hash);
CREATE INDEX evaluations_by_fitness ON cairn.evaluations USING btree (fitness DESC) WHERE (fitness <> 'NaN'::double precision);
CREATE INDEX evaluations_by_generation ON cairn.evaluations USING btree (store, experiment, generation, fitness DESC);
CREATE INDEX evaluations_by_worker ON cairn.evaluations USING btree (store, experiment, worker) WHERE (worker <> ''::text);
CREATE INDEX evaluations_of_experiment_by_fitness ON cairn.evaluations USING btree (store, experiment, fitness DESC);
CREATE INDEX experiments_by_number ON cairn.experiments USING btree (store, number);
CREATE INDEX experiments_by_status ON cairn.experiments USING btree (status, store);
CREATE INDEX files_by_id ON cairn.files USING btree (id);
CREATE INDEX metrics_by_run ON cairn.metrics USING hash (run);
CREATE INDEX refs_by_snapshot ON cairn.refs USING btree (store, snapshot);
CREATE INDEX results_by_experiment ON cairn.results USING hash (experiment) WHERE (experiment <> ''::text);
CREATE INDEX results_by_key ON cairn.results USING hash (key);
CREATE INDEX results_of_store ON cairn.results USING btree (store);
CREATE INDEX tensors_by_id ON cairn.tensors USING btree (id);
ALTER TABLE ONLY cairn.evaluations
    ADD CONSTRAINT evaluations_store_fkey FOREIGN KEY (store) REFERENCES cairn.stores(store) ON DELETE CASCADE;
ALTER TABLE ONLY cairn.experiment_progress
    ADD CONSTRAINT experiment_progress_store_fkey FOREIGN KEY (store) REFERENCES cairn.stores(store) ON DELETE CASCADE;
ALTER TABLE ONLY cairn.experiments
    ADD CONSTRAINT experiments_store_fkey FOREIGN KEY (store) REFERENCES cairn.stores(store) ON DELETE CASCADE;
ALTER TABLE ONLY cairn.files
    ADD CONSTRAINT files_store_snapshot_fkey FOREIGN KEY (store, snapshot) REFERENCES cairn.snapshots(store, id) ON DELETE CASCADE;
ALTER TABLE ONLY cairn.left_out
    ADD CONSTRAINT left_out_store_fkey FOREIGN KEY (store) REFERENCES cairn.stores(store) ON DELETE CASCADE;
ALTER TABLE ONLY cairn.metrics
    ADD CONSTRAINT metrics_store_fkey FOREIGN KEY (store) REFERENCES cairn.stores(store) ON DELETE CASCADE;
ALTER TABLE ONLY cairn.refs
    ADD CONSTRAINT refs_store_fkey FOREIGN KEY (store) REFERENCES cairn.stores(store) ON DELETE CASCADE;
ALTER TABLE ONLY cairn.results
    ADD CONSTRAINT results_store_fkey FOREIGN KEY (store) REFERENCES cairn.stores(store) ON DELETE CASCADE;
ALTER TABLE ONLY cairn.snapshots
    ADD CONSTRAINT snapshots_store_fkey FOREIGN KEY (store) REFERENCES cairn.stores(store) ON DELETE CASCADE;
ALTER TABLE ONLY cairn.tensors
    ADD CONSTRAINT tensors_store_fkey FOREIGN KEY (store) REFERENCES cairn.stores(store) ON DELETE CASCADE;
