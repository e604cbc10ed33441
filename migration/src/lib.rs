//! The schema of Andante, one step a file. An applied step is never edited.

pub use sea_orm_migration::MigratorTrait;
use sea_orm_migration::prelude::{MigrationTrait, async_trait};

mod m20261127_000001_schema;
mod m20261127_000002_gateway_state;
mod m20261127_000003_chats_of_all;
mod m20261127_000004_instances;
mod m20261128_000005_media;

/// Runs the steps in order.
#[derive(Debug)]
pub struct Migrator;

#[async_trait::async_trait]
impl MigratorTrait for Migrator {
    fn migrations() -> Vec<Box<dyn MigrationTrait>> {
        vec![
            Box::new(m20261127_000001_schema::Migration),
            Box::new(m20261127_000002_gateway_state::Migration),
            Box::new(m20261127_000003_chats_of_all::Migration),
            Box::new(m20261127_000004_instances::Migration),
            Box::new(m20261128_000005_media::Migration),
        ]
    }
}
