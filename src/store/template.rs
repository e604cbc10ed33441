//! Texts that companies send often.

use std::collections::HashMap;

use entity::ids::{CompanyId, TemplateId};
use entity::template::{ActiveModel, Column, Entity, Model};
use sea_orm::{
    ActiveModelTrait, ColumnTrait, EntityTrait, IntoActiveModel, PaginatorTrait, QueryFilter, QueryOrder, SqlErr,
};

use super::{Store, StoreError, update};

/// Templates of a company at most: more than anybody finds one in.
pub const MOST: u64 = 200;
/// Ids that are asked for at a time.
const SOME: usize = 500;

/// Why a template was not written. There are three reactions.
#[derive(Debug, thiserror::Error)]
pub enum TemplateError {
    /// The company has one of that name.
    #[error("there is a template of that name")]
    NameTaken,
    /// The company has as many as it may.
    #[error("there are {MOST} templates")]
    TooMany,
    /// See there.
    #[error(transparent)]
    Store(StoreError),
}

impl From<StoreError> for TemplateError {
    fn from(error: StoreError) -> Self {
        match &error {
            StoreError::Broken(cause) if matches!(cause.sql_err(), Some(SqlErr::UniqueConstraintViolation(_))) => {
                Self::NameTaken
            }
            _ => Self::Store(error),
        }
    }
}

impl Store {
    /// The company's templates, by name.
    pub async fn templates(&self, company: CompanyId) -> Result<Vec<Model>, StoreError> {
        let of_company = Entity::find().filter(Column::CompanyId.eq(company));
        Ok(of_company.order_by_asc(Column::Name).all(&self.reader).await?)
    }

    /// The texts of those of the templates that the company has.
    pub async fn template_texts(
        &self,
        company: CompanyId,
        ids: &[TemplateId],
    ) -> Result<HashMap<TemplateId, String>, StoreError> {
        let mut found = HashMap::new();
        for some in ids.chunks(SOME) {
            let of_company = Entity::find().filter(Column::CompanyId.eq(company));
            let rows = of_company.filter(Column::Id.is_in(some.iter().copied())).all(&self.reader).await?;
            found.extend(rows.into_iter().map(|row| (row.id, row.text)));
        }
        Ok(found)
    }

    /// A template of the company.
    pub async fn find_template(&self, company: CompanyId, id: TemplateId) -> Result<Option<Model>, StoreError> {
        Ok(Entity::find_by_id(id).filter(Column::CompanyId.eq(company)).one(&self.reader).await?)
    }

    /// Keeps a new template.
    pub async fn create_template(&self, row: Model) -> Result<(), TemplateError> {
        let company = row.company_id;
        let row = row.into_active_model().reset_all();
        let is_kept = self.change(move |tx| {
            let row = row.clone();
            Box::pin(async move {
                if Entity::find().filter(Column::CompanyId.eq(company)).count(tx).await? >= MOST {
                    return Ok(false);
                }
                row.insert(tx).await.map(|_| true)
            })
        });
        if is_kept.await? { Ok(()) } else { Err(TemplateError::TooMany) }
    }

    /// Changes what is set of a template: the template as it is then, if it is there.
    pub async fn change_template(&self, change: ActiveModel) -> Result<Option<Model>, TemplateError> {
        let changed = self.change(move |tx| {
            let change = change.clone();
            Box::pin(async move { update(tx, change).await })
        });
        Ok(changed.await?)
    }

    /// Removes a template; answers whether the company had it.
    pub async fn remove_template(&self, company: CompanyId, id: TemplateId) -> Result<bool, StoreError> {
        let sql = "DELETE FROM template WHERE id = $1 AND company_id = $2 RETURNING id";
        Ok(!self.write(self.sql(sql, [id.into(), company.into()])).await?.is_empty())
    }
}
