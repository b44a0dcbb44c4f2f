//! The tables, as MLflow had them at an early revision.
//!
//! A file at the newest revision of one MLflow is refused by all others. One at a revision so old that tables are
//! missing is brought up to date by whichever MLflow opens it first, and what is written here goes on working after
//! that: later revisions only add tables, and columns that have defaults. The names of constraints and indexes count:
//! MLflow's migrations look for them.

use std::collections::HashSet;

use rusqlite::{Connection, OptionalExtension};

/// The revision.
pub(super) const REVISION: &str = "97727af70f4d";

/// The tables at that revision.
pub(super) const TABLES: &str = "
CREATE TABLE alembic_version (
    version_num VARCHAR(32) NOT NULL,
    CONSTRAINT alembic_version_pkc PRIMARY KEY (version_num));
CREATE TABLE experiments (
    experiment_id INTEGER NOT NULL,
    name VARCHAR(256) NOT NULL,
    artifact_location VARCHAR(256),
    lifecycle_stage VARCHAR(32),
    creation_time BIGINT,
    last_update_time BIGINT,
    CONSTRAINT experiment_pk PRIMARY KEY (experiment_id),
    CONSTRAINT experiments_lifecycle_stage CHECK (lifecycle_stage IN ('active', 'deleted')),
    UNIQUE (name));
CREATE TABLE experiment_tags (
    \"key\" VARCHAR(250) NOT NULL,
    value VARCHAR(5000),
    experiment_id INTEGER NOT NULL,
    CONSTRAINT experiment_tag_pk PRIMARY KEY (\"key\", experiment_id),
    FOREIGN KEY(experiment_id) REFERENCES experiments (experiment_id));
CREATE TABLE runs (
    run_uuid VARCHAR(32) NOT NULL,
    name VARCHAR(250),
    source_type VARCHAR(20),
    source_name VARCHAR(500),
    entry_point_name VARCHAR(50),
    user_id VARCHAR(256),
    status VARCHAR(9),
    start_time BIGINT,
    end_time BIGINT,
    source_version VARCHAR(50),
    lifecycle_stage VARCHAR(20),
    artifact_uri VARCHAR(200),
    experiment_id INTEGER,
    deleted_time BIGINT,
    CONSTRAINT run_pk PRIMARY KEY (run_uuid),
    CONSTRAINT runs_lifecycle_stage CHECK (lifecycle_stage IN ('active', 'deleted')),
    CONSTRAINT source_type CHECK (source_type IN ('NOTEBOOK', 'JOB', 'LOCAL', 'UNKNOWN', 'PROJECT')),
    FOREIGN KEY(experiment_id) REFERENCES experiments (experiment_id),
    CHECK (status IN ('SCHEDULED', 'FAILED', 'FINISHED', 'RUNNING', 'KILLED')));
CREATE TABLE params (
    \"key\" VARCHAR(250) NOT NULL,
    value VARCHAR(500) NOT NULL,
    run_uuid VARCHAR(32) NOT NULL,
    CONSTRAINT param_pk PRIMARY KEY (\"key\", run_uuid),
    FOREIGN KEY(run_uuid) REFERENCES runs (run_uuid));
CREATE TABLE tags (
    \"key\" VARCHAR(250) NOT NULL,
    value VARCHAR(5000),
    run_uuid VARCHAR(32) NOT NULL,
    CONSTRAINT tag_pk PRIMARY KEY (\"key\", run_uuid),
    FOREIGN KEY(run_uuid) REFERENCES runs (run_uuid));
CREATE TABLE metrics (
    \"key\" VARCHAR(250) NOT NULL,
    value FLOAT NOT NULL,
    timestamp BIGINT NOT NULL,
    run_uuid VARCHAR(32) NOT NULL,
    step BIGINT DEFAULT '0' NOT NULL,
    is_nan BOOLEAN DEFAULT '0' NOT NULL,
    CONSTRAINT metric_pk PRIMARY KEY (\"key\", timestamp, step, run_uuid, value, is_nan),
    FOREIGN KEY(run_uuid) REFERENCES runs (run_uuid),
    CHECK (is_nan IN (0, 1)));
CREATE TABLE latest_metrics (
    \"key\" VARCHAR(250) NOT NULL,
    value FLOAT NOT NULL,
    timestamp BIGINT,
    step BIGINT NOT NULL,
    is_nan BOOLEAN NOT NULL,
    run_uuid VARCHAR(32) NOT NULL,
    CONSTRAINT latest_metric_pk PRIMARY KEY (\"key\", run_uuid),
    FOREIGN KEY(run_uuid) REFERENCES runs (run_uuid),
    CHECK (is_nan IN (0, 1)));
CREATE TABLE registered_models (
    name VARCHAR(256) NOT NULL,
    creation_time BIGINT,
    last_updated_time BIGINT,
    description VARCHAR(5000),
    CONSTRAINT registered_model_pk PRIMARY KEY (name),
    UNIQUE (name));
CREATE TABLE registered_model_tags (
    \"key\" VARCHAR(250) NOT NULL,
    value VARCHAR(5000),
    name VARCHAR(256) NOT NULL,
    CONSTRAINT registered_model_tag_pk PRIMARY KEY (\"key\", name),
    FOREIGN KEY(name) REFERENCES registered_models (name) ON UPDATE cascade);
CREATE TABLE model_versions (
    name VARCHAR(256) NOT NULL,
    version INTEGER NOT NULL,
    creation_time BIGINT,
    last_updated_time BIGINT,
    description VARCHAR(5000),
    user_id VARCHAR(256),
    current_stage VARCHAR(20),
    source VARCHAR(500),
    run_id VARCHAR(32),
    status VARCHAR(20),
    status_message VARCHAR(500),
    run_link VARCHAR(500),
    CONSTRAINT model_version_pk PRIMARY KEY (name, version),
    FOREIGN KEY(name) REFERENCES registered_models (name) ON UPDATE cascade);
CREATE TABLE model_version_tags (
    \"key\" VARCHAR(250) NOT NULL,
    value VARCHAR(5000),
    name VARCHAR(256) NOT NULL,
    version INTEGER NOT NULL,
    CONSTRAINT model_version_tag_pk PRIMARY KEY (\"key\", name, version),
    FOREIGN KEY(name, version) REFERENCES model_versions (name, version) ON UPDATE cascade);
CREATE INDEX index_params_run_uuid ON params (run_uuid);
CREATE INDEX index_tags_run_uuid ON tags (run_uuid);
CREATE INDEX index_metrics_run_uuid ON metrics (run_uuid);
CREATE INDEX index_latest_metrics_run_uuid ON latest_metrics (run_uuid);
";

/// The columns that are written, by table.
const WRITTEN: &[(&str, &[&str])] = &[
    (
        "experiments",
        &[
            "experiment_id",
            "name",
            "artifact_location",
            "lifecycle_stage",
            "creation_time",
            "last_update_time",
        ],
    ),
    (
        "runs",
        &[
            "run_uuid",
            "name",
            "source_type",
            "source_name",
            "entry_point_name",
            "user_id",
            "status",
            "start_time",
            "end_time",
            "source_version",
            "lifecycle_stage",
            "artifact_uri",
            "experiment_id",
        ],
    ),
    ("params", &["key", "value", "run_uuid"]),
    ("tags", &["key", "value", "run_uuid"]),
    ("metrics", &["key", "value", "timestamp", "run_uuid", "step", "is_nan"]),
    ("latest_metrics", &["key", "value", "timestamp", "step", "is_nan", "run_uuid"]),
];

/// What the tables of a file are.
pub(super) enum Found {
    /// There are none.
    Nothing,
    /// Those of MLflow at this revision, which can be written.
    Mlflow(String),
    /// Something that cannot be written, and why.
    Foreign(String),
}

/// Look at the tables of a file.
pub(super) fn look(connection: &Connection) -> rusqlite::Result<Found> {
    let count: i64 = connection.query_row("SELECT count(*) FROM sqlite_master", [], |row| row.get(0))?;
    if count == 0 {
        return Ok(Found::Nothing);
    }
    let version = "SELECT name FROM sqlite_master WHERE type = 'table' AND name = 'alembic_version'";
    let tracked: Option<String> = connection.query_row(version, [], |row| row.get(0)).optional()?;
    if tracked.is_none() {
        return Ok(Found::Foreign("it holds something else than MLflow's tables".to_owned()));
    }
    for (table, written) in WRITTEN {
        if let Some(why) = fault(connection, table, written)? {
            return Ok(Found::Foreign(why));
        }
    }
    let query = "SELECT version_num FROM alembic_version";
    let revision: Option<String> = connection.query_row(query, [], |row| row.get(0)).optional()?;
    Ok(Found::Mlflow(revision.unwrap_or_default()))
}

/// What keeps a table from being written, if anything does.
fn fault(connection: &Connection, table: &str, written: &[&str]) -> rusqlite::Result<Option<String>> {
    let mut missing: HashSet<_> = written.iter().copied().collect();
    let mut columns =
        connection.prepare("SELECT name, \"notnull\", dflt_value FROM pragma_table_info(?1)")?;
    let mut rows = columns.query([table])?;
    while let Some(row) = rows.next()? {
        let (name, required): (String, bool) = (row.get(0)?, row.get(1)?);
        let default: Option<String> = row.get(2)?;
        if !missing.remove(name.as_str()) && required && default.is_none() {
            return Ok(Some(format!("its table `{table}` wants a `{name}`, which is not known here")));
        }
    }
    Ok(missing.iter().next().map(|name| format!("its table `{table}` has no `{name}`")))
}
