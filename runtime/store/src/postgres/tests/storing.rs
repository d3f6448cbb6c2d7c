//! What every store does, and the tables of days.

use super::*;
use crate::tests::{
    answers_as_a_model_does, nothing_loses_its_metadata, stores_once, two_writers_store_once,
};

#[test]
fn it_stores_once() {
    stores_once(&Place::new().store);
}

#[test]
fn two_writers_at_once_store_once() {
    two_writers_store_once(&Place::new().store);
}

#[test]
fn nothing_loses_what_it_refers_to() {
    nothing_loses_its_metadata(&Place::new().store);
}

#[test]
fn it_answers_as_a_model_does() {
    answers_as_a_model_does(&Place::new().store);
}
