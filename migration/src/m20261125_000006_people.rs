//! An address belongs to one user of a company, not to one of the whole installation: who makes
//! users learns nothing of other companies'. A login may outlive the end of all the others. A page
//! may pair an account, or may not.

use sea_orm_migration::prelude::*;
use sea_orm_migration::sea_orm::DbBackend;

/// The step.
#[derive(Debug)]
pub(crate) struct Migration;

impl MigrationName for Migration {
    fn name(&self) -> &str {
        "m20261125_000006_people"
    }
}

const POSTGRES: &[&str] = &[
    r#"ALTER TABLE "user" DROP CONSTRAINT user_email_key"#,
    r#"ALTER TABLE "user" ADD COLUMN kept_login VARCHAR(30)"#,
    r#"CREATE UNIQUE INDEX user_email ON "user" (email, company_id)"#,
    "ALTER TABLE account ADD COLUMN may_pair BOOLEAN NOT NULL DEFAULT TRUE",
];
/// A column's own constraint goes only with its table.
const SQLITE: &[&str] = &[r#"
BEGIN;
CREATE TABLE user_of_company (
    id            VARCHAR(30) NOT NULL PRIMARY KEY,
    company_id    VARCHAR(30) NOT NULL REFERENCES company (id),
    email         VARCHAR(254) NOT NULL,
    password_hash TEXT NOT NULL,
    first_name    TEXT,
    last_name     TEXT,
    role          VARCHAR(10) NOT NULL CHECK (role IN ('admin', 'manager')),
    token_epoch   INTEGER NOT NULL,
    created_at_ms BIGINT NOT NULL,
    updated_at_ms BIGINT NOT NULL,
    kept_login    VARCHAR(30)
);
INSERT INTO user_of_company SELECT id, company_id, email, password_hash, first_name, last_name, role,
                                   token_epoch, created_at_ms, updated_at_ms, NULL FROM "user";
DROP TABLE "user";
ALTER TABLE user_of_company RENAME TO "user";
CREATE INDEX user_company ON "user" (company_id, role, id);
CREATE UNIQUE INDEX user_email ON "user" (email, company_id);
ALTER TABLE account ADD COLUMN may_pair BOOLEAN NOT NULL DEFAULT TRUE;
COMMIT"#];

#[async_trait::async_trait]
impl MigrationTrait for Migration {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        let db = manager.get_connection();
        let statements = if manager.get_database_backend() == DbBackend::Postgres { POSTGRES } else { SQLITE };
        for statement in statements {
            db.execute_unprepared(statement).await?;
        }
        Ok(())
    }

    async fn down(&self, _: &SchemaManager) -> Result<(), DbErr> {
        Err(DbErr::Migration("an address that several companies' users have can't be one user's again".to_owned()))
    }
}
