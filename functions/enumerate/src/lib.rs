//! The enumerating function: lists the ECS tasks that carry an agent and sends them in shards to SQS.
//!
//! [`listing`] asks ECS, [`tasks`] decides what is a target, [`cache`] spares calls on warm invocations, [`queue`]
//! sends, [`report`] tells how it went, [`clients`] are the AWS clients.

pub mod cache;
pub mod clients;
pub mod handler;
pub mod listing;
pub mod queue;
pub mod report;
pub mod settings;
pub mod tasks;
