//! Changes that are not of a message's ordinary life (an account's row, a chat, people, a message
//! taken back): each is a few statements that the group commit runs in its transaction, beside
//! whatever else is written then.

use async_trait::async_trait;
use futures_util::future::BoxFuture;
use sea_orm::{ConnectionTrait, DatabaseTransaction, DbErr, QueryResult, Statement};
use tokio::sync::oneshot;

use super::{Store, StoreError};

type Tx = DatabaseTransaction;

/// A change, as the group commit knows it. May be applied more than once before it is told.
#[async_trait]
pub(super) trait Change: Send {
    /// Runs its statements.
    async fn apply(&mut self, tx: &Tx) -> Result<(), DbErr>;

    /// What became of the transaction. Changes are told in the order in which they were written.
    fn tell(self: Box<Self>, written: Result<(), StoreError>);
}

struct Asked<T, W, A> {
    work: W,
    /// Done once it is written, before anybody else's later change.
    after: A,
    answer: Option<T>,
    reply: oneshot::Sender<Result<T, StoreError>>,
}

#[async_trait]
impl<T, W, A> Change for Asked<T, W, A>
where
    T: Send,
    W: for<'t> Fn(&'t Tx) -> BoxFuture<'t, Result<T, DbErr>> + Send + Sync,
    A: FnOnce(&T) + Send,
{
    async fn apply(&mut self, tx: &Tx) -> Result<(), DbErr> {
        self.answer = Some((self.work)(tx).await?);
        Ok(())
    }

    fn tell(self: Box<Self>, written: Result<(), StoreError>) {
        let Self { after, answer, reply, .. } = *self;
        let unapplied = || StoreError::Down(DbErr::Custom("a change was not applied".to_owned()));
        let answer = written.and_then(|()| answer.ok_or_else(unapplied));
        if let Ok(answer) = &answer {
            after(answer);
        }
        // Who no longer waits need not hear it.
        let _ = reply.send(answer);
    }
}

impl Store {
    /// Runs the statements of `work` in the next transaction; durable on return.
    pub(super) async fn change<T: Send + 'static>(
        &self,
        work: impl for<'t> Fn(&'t Tx) -> BoxFuture<'t, Result<T, DbErr>> + Send + Sync + 'static,
    ) -> Result<T, StoreError> {
        self.change_and(work, |_| ()).await
    }

    /// The same, and then `after`, in the order of the transactions: what is kept in memory never
    /// goes back to what a row was before.
    pub(super) async fn change_and<T: Send + 'static>(
        &self,
        work: impl for<'t> Fn(&'t Tx) -> BoxFuture<'t, Result<T, DbErr>> + Send + Sync + 'static,
        after: impl FnOnce(&T) + Send + 'static,
    ) -> Result<T, StoreError> {
        self.commit.change(|reply| Box::new(Asked { work, after, answer: None, reply })).await
    }

    /// Runs one statement; answers the rows it returns.
    pub(super) async fn write(&self, statement: Statement) -> Result<Vec<QueryResult>, StoreError> {
        self.change(move |tx| {
            let statement = statement.clone();
            Box::pin(async move { tx.query_all_raw(statement).await })
        })
        .await
    }

    /// Runs statements that return nothing.
    pub(super) async fn write_all(&self, statements: Vec<Statement>) -> Result<(), StoreError> {
        self.change(move |tx| {
            let statements = statements.clone();
            Box::pin(async move {
                for statement in statements {
                    tx.execute_raw(statement).await?;
                }
                Ok(())
            })
        })
        .await
    }
}
