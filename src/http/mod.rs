//! Routes, extractors and the wire formats of clients.

pub mod assets;
pub mod attendances;
pub mod audit;
pub mod auth;
mod boundary;
pub mod chat;
pub mod courses;
pub mod error;
pub mod events;
pub mod evidence;
pub mod extract;
pub mod faces;
pub mod films;
pub mod health;
pub mod hours;
pub mod lessons;
pub mod livekit;
pub mod people;
pub mod playbacks;
pub mod questions;
pub mod recordings;
pub mod redress;
pub mod rounds;
mod router;
pub mod units;
pub mod uploads;
pub mod whip;

use serde::Serialize;
use utoipa::ToSchema;

use crate::domain::limits::{PAGE_SIZE_DEFAULT, PAGE_SIZE_MAX};
use crate::domain::refusal::{Refusal, RefusalKind};

pub use router::{Access, App, Route, RouteSpec, router, table};

/// A whole list.
#[derive(Debug, Serialize, ToSchema)]
pub struct Items<T> {
    /// The items.
    pub items: Vec<T>,
}

/// One page of a list.
#[derive(Debug, Serialize, ToSchema)]
pub struct Page<T> {
    /// The items of the page.
    pub items: Vec<T>,
    /// Items on all pages.
    pub total: u64,
}

/// Rows on a page and rows before it, from a page number (from 1) and a size.
pub fn page(page: Option<u32>, page_size: Option<u32>) -> Result<(u32, u64), Refusal> {
    let (page, size) = (page.unwrap_or(1), page_size.unwrap_or(PAGE_SIZE_DEFAULT));
    if page == 0 || !(1..=PAGE_SIZE_MAX).contains(&size) {
        return Err(Refusal::new(
            RefusalKind::Invalid,
            "request.page",
            "页码从 1 开始，每页最多 200 条。",
            "Pages count from 1 and have at most 200 items.",
        ));
    }
    Ok((size, u64::from(page - 1) * u64::from(size)))
}
