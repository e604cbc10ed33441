//! The schema of Andante, one step a file. An applied step is never edited.

pub use sea_orm_migration::MigratorTrait;
use sea_orm_migration::prelude::{MigrationTrait, async_trait};

mod m20261121_000001_core;
mod m20261121_000002_people;
mod m20261121_000003_inbox;
mod m20261124_000004_counts;
mod m20261125_000005_seal;
mod m20261125_000006_people;

/// Runs the steps in order.
#[derive(Debug)]
pub struct Migrator;

#[async_trait::async_trait]
impl MigratorTrait for Migrator {
    fn migrations() -> Vec<Box<dyn MigrationTrait>> {
        vec![
            Box::new(m20261121_000001_core::Migration),
            Box::new(m20261121_000002_people::Migration),
            Box::new(m20261121_000003_inbox::Migration),
            Box::new(m20261124_000004_counts::Migration),
            Box::new(m20261125_000005_seal::Migration),
            Box::new(m20261125_000006_people::Migration),
        ]
    }
}
